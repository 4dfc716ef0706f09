/*
 * System calls by thread, with what each is for: what sandbox.c makes its filters of. Workers touch what
 * guests control, so they have a list of what they may do; the rest of the process, where Node's needs change
 * with its versions, a list of what nothing of ours ever does.
 *
 * X(name); names that an architecture does not have are left out there.
 */
#ifndef VH_DPDK_RUNTIME_SYSCALLS_H
#define VH_DPDK_RUNTIME_SYSCALLS_H

#include <sys/syscall.h>

/* A comment stands above what it is about. */
/* clang-format off */
/* The hot ones first: the kernel goes through them in this order where it keeps no table. */
#define VH_WORKER_CALLS(X) \
	/* Interrupts and kicks: eventfds that guests are woken by, and that wake us. */ \
	X(write) X(read) \
	/* Idle workers sleep, and watch their kicks. */ \
	X(epoll_pwait) X(epoll_ctl) X(sched_yield) X(nanosleep) X(clock_nanosleep) X(restart_syscall) \
	/* Frames of uplinks that the kernel has: af_packet, tap, af_xdp, virtio_user. */ \
	X(sendto) X(recvfrom) X(sendmsg) X(recvmsg) X(readv) X(writev) X(ppoll) \
	/* Locks of the C library and of DPDK. */ \
	X(futex) \
	/* Memory of malloc(), and the zero pages that the SIGBUS handler puts in. */ \
	X(mmap) X(munmap) X(mremap) X(mprotect) X(madvise) X(brk) \
	/* Signals: back from a handler, and to a thread that waits for one. */ \
	X(rt_sigreturn) X(rt_sigprocmask) X(sigaltstack) X(tgkill) X(gettid) X(getpid) \
	/* Time where the kernel has no faster way, and what was spent of it; the CPU for DPDK's caches. */ \
	X(clock_gettime) X(gettimeofday) X(getrusage) X(getcpu) X(sched_getaffinity) \
	/* The thread's end, and that of the process. */ \
	X(exit) X(exit_group) X(set_robust_list) X(rseq)

/* The same by older names. */
#ifdef __NR_epoll_wait
#define VH_WORKER_CALLS_OLD(X) X(epoll_wait) X(poll)
#else
#define VH_WORKER_CALLS_OLD(X)
#endif

/* For the whole process, and what it starts: the bridge of /dev/usvhost-N. */
#define VH_REFUSED_CALLS(X) \
	/* Another kernel, or other code in this one. bpf() stays: af_xdp and tap load programs for their queues. */ \
	X(kexec_load) X(init_module) X(finit_module) X(delete_module) X(perf_event_open) \
	/* The system's end, clock, name, swap, accounting and log. */ \
	X(reboot) X(swapon) X(swapoff) X(settimeofday) X(clock_settime) X(clock_adjtime) X(adjtimex) \
	X(sethostname) X(setdomainname) X(acct) X(quotactl) X(syslog) X(vhangup) \
	/* Other file systems, and files by a number instead of a name. */ \
	X(mount) X(umount2) X(pivot_root) X(chroot) X(fsopen) X(fsconfig) X(fsmount) X(fspick) \
	X(move_mount) X(open_tree) X(open_by_handle_at) X(fanotify_init) \
	/* Other namespaces (unshare() and clone() are looked at more closely). */ \
	X(setns) \
	/* Other processes. The bridge reads its guest's memory and takes its eventfds, but writes none. */ \
	X(ptrace) X(process_vm_writev) X(kcmp) \
	/* The kernel's keys; pages that somebody else fills; a personality with fewer protections. */ \
	X(add_key) X(request_key) X(keyctl) X(userfaultfd) X(personality) \
	/* A second way to make system calls, which no filter sees. libuv goes on without; what it has made before that, \
	 * as from Node 22 on, it goes on using. */ \
	X(io_uring_setup) X(io_uring_register) \
	/* Programs are started by their path. */ \
	X(execveat)

/*
 * What is left to it as root (capabilities(7)), in all threads that take signals. The service's unit has the same
 * list.
 */
#define VH_CAPABILITIES(X) \
	/* Sockets for the group that runs QEMU; the processes of guests in front of devices. */ \
	X(CHOWN) X(FOWNER) X(DAC_OVERRIDE) X(DAC_READ_SEARCH) \
	/* Memory that devices write to; physical addresses and ports of cards bound to uio or without an IOMMU. */ \
	X(IPC_LOCK) X(SYS_ADMIN) X(SYS_RAWIO) \
	/* Cards that a kernel driver shares, and tap devices. */ \
	X(NET_ADMIN) X(NET_RAW) \
	/* Guests' memory by way of /dev/usvhost-N. */ \
	X(SYS_PTRACE)
/* clang-format on */

#endif
