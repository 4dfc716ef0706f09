/*
 * A short lock for the data path: test-and-test-and-set. Held for one batch or one table update, never across
 * a system call, so waiting by spinning is right; after a while the waiter yields, because on a machine with
 * fewer CPUs than threads the holder may be the one that waits to run.
 */
#ifndef VH_BASE_SPINLOCK_H
#define VH_BASE_SPINLOCK_H

#include <sched.h>
#include <stdint.h>

struct vh_spinlock {
	uint32_t held;
};

static inline void vh_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

static inline void vh_lock(struct vh_spinlock *l)
{
	for (uint32_t spins = 0; __atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE) != 0;) {
		while (__atomic_load_n(&l->held, __ATOMIC_RELAXED) != 0) {
			vh_pause();
			if (++spins % 1024 == 0)
				sched_yield();
		}
	}
}

static inline void vh_unlock(struct vh_spinlock *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

#endif
