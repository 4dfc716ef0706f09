/*
 * Taking away what the switch never needs, so that whoever gets to run code in it, by a fault that a guest
 * found, gets no further: capabilities, system calls (seccomp), and for workers the file system (Landlock).
 *
 * What a filter refuses fails with EPERM rather than end the process: one guest that found a fault is not to
 * take the network from all others.
 */
#ifndef VH_DPDK_RUNTIME_SANDBOX_H
#define VH_DPDK_RUNTIME_SANDBOX_H

/*
 * The calling thread and those that it starts from now on keep the capabilities of syscalls.h, and so do
 * older ones that take signals, as soon as they run; all threads lose its refused calls and gain no
 * privileges by execve(2) any more. Once, before the engine starts. Return: 0, or a negative errno where the
 * kernel cannot do it.
 */
int vh_confine_process(void);

/*
 * The calling thread, a worker, keeps nothing but the calls that it works with: no capability, no file to
 * open. What the kernel cannot do is left out.
 */
void vh_confine_worker(void);

#endif
