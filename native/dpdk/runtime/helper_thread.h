/*
 * A thread that takes care of call eventfds beside the workers: "vh-guard", "vh-calls". It is started once,
 * runs until it is asked to end, and is waited for; stopping one that does not run does nothing.
 */
#ifndef VH_DPDK_RUNTIME_HELPER_THREAD_H
#define VH_DPDK_RUNTIME_HELPER_THREAD_H

#include <pthread.h>
#include <stdbool.h>

struct vh_call_thread {
	pthread_t thread;
	bool running;
};

/* name: 15 bytes at most (pthread_setname_np(3)). Return: 0, or a negative errno. */
int vh_call_thread_start(struct vh_call_thread *t, const char *name, void *(*loop)(void *));

/* `ask` has its loop end. */
void vh_call_thread_stop(struct vh_call_thread *t, void (*ask)(void));

#endif
