#include "sandbox.h"
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
/* The x32 ABI has the same architecture and numbers from here on. */
#define FOREIGN_FROM 0x40000000U
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define FOREIGN_FROM UINT32_MAX
#endif

#define REFUSE(error) (SECCOMP_RET_ERRNO | (SECCOMP_RET_DATA & (error)))
#define NAMESPACES                                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |        \
		CLONE_NEWNET)

#ifdef ARCHITECTURE
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
/* What begins each: a call of this architecture, its number loaded. */
#define BEGIN                                                                                                \
	LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), RETURN(REFUSE(EPERM)),          \
		LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_FROM, 0, 1), RETURN(REFUSE(EPERM))
#define ALLOWED(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), RETURN(SECCOMP_RET_ALLOW),
#define REFUSED(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), RETURN(REFUSE(EPERM)),

static struct sock_filter for_workers[] = {
	BEGIN, VH_WORKER_CALLS(ALLOWED) VH_WORKER_CALLS_OLD(ALLOWED) RETURN(REFUSE(EPERM))};

/* The flags of a call are in the lower half of its first argument: all of ours are little-endian. */
static struct sock_filter for_all[] = {BEGIN,
	VH_REFUSED_CALLS(REFUSED)
	/* Its flags lie in memory, where no filter looks; the C library goes on with clone(). */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1),
	RETURN(REFUSE(ENOSYS)),
	/* A umask of a thread's own is all that is unshared (session.c). */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_unshare, 0, 4), LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE_FS, 0, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(REFUSE(EPERM)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 3), LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1), RETURN(REFUSE(EPERM)),
	RETURN(SECCOMP_RET_ALLOW)};

/* Return: 0, or a negative errno. */
static int filter(struct sock_filter *code, unsigned short n, unsigned int flags)
{
	struct sock_fprog program = {.len = n, .filter = code};
	long result;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	/* With TSYNC: the thread that has a filter of its own already. */
	return result > 0 ? -EBUSY : result < 0 ? -errno : 0;
}
#define FILTER(code, flags) filter(code, sizeof(code) / sizeof((code)[0]), flags)
#else
#define FILTER(code, flags) (-ENOSYS)
#endif

/* Keeps those of `mask`, as far as they are there. Return: 0, or a negative errno. */
static int keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	/* What a program that is started could get back. It takes CAP_SETPCAP, which a service has not. */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if ((mask >> cap & 1) == 0)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capget, &head, data) != 0)
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t part = (uint32_t)(mask >> (32 * i));

		data[i].permitted &= part;
		data[i].effective &= part;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) != 0 ? -errno : 0;
}

#define BIT(name) | 1ULL << CAP_##name
static const uint64_t kept = 0 VH_CAPABILITIES(BIT);
#undef BIT

static void take_them(int signal)
{
	int error = errno;

	(void)signal;
	(void)keep_capabilities(kept);
	errno = error;
}

/*
 * Capabilities are a thread's own, and Node has started some before we came. Each does it itself as soon as
 * it runs again; nobody waits, because one that blocks all signals, Node's for its debugger, never does.
 */
static void tell_older_threads(void)
{
	struct sigaction act = {.sa_handler = take_them, .sa_flags = SA_RESTART};
	int signal = SIGRTMAX - 1;
	DIR *threads = sigaction(signal, &act, NULL) == 0 ? opendir("/proc/self/task") : NULL;
	struct dirent *e;

	while (threads != NULL && (e = readdir(threads)) != NULL) {
		int tid = atoi(e->d_name);

		if (tid > 0 && tid != (int)syscall(SYS_gettid))
			(void)syscall(SYS_tgkill, getpid(), tid, signal);
	}
	if (threads != NULL)
		closedir(threads);
}

int vh_confine_process(void)
{
	int error = keep_capabilities(kept);

	tell_older_threads();
	return error != 0 ? error : FILTER(for_all, SECCOMP_FILTER_FLAG_TSYNC);
}

/* Nothing below any directory: a set of rules that has all rights in hand and gives none. */
static void leave_file_system(void)
{
	struct landlock_ruleset_attr rights = {.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0);

	if (rules < 0)
		return;
	(void)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
}

void vh_confine_worker(void)
{
	(void)keep_capabilities(0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	leave_file_system();
	/* Last: none of the above is on its list. */
	(void)FILTER(for_workers, 0);
}
