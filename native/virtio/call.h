/*
 * Waking a guest: the write to its call eventfd, watched and paid for.
 *
 * Theory of operation
 *   A call eventfd is a file that the front end shares with us, and the write to it is the one thing on the
 * data path whose length it decides: it may take O_NONBLOCK off and fill the counter, so that the write
 * waits, or hang thousands of watches on it, so that the write calls each of them. So
 *   - a thread publishes that it writes before it does, and that it has written after (struct vh_call_slot):
 * whoever watches (dpdk/runtime/callfd_guard.h) sees the effect, whatever caused it, and interrupts a write
 * that stands still. A signal that comes between the publication and the system call is lost; the watcher
 * repeats it.
 *   - each write is measured, and each port has a budget: VH_CALL_SHARE of one worker's time. A worker that
 * was idle of late charges what is beyond an honest write; one that is busy, where every microsecond is taken
 * from others, all of it. Ports together have a budget, too.
 *
 *       DIRECT --budget is used up--> APART --still too dear--> MUTED
 *          ^-----------a second----------'                        '--the next front end--> DIRECT
 *
 *   APART: writes go to a thread of their own (dpdk/runtime/callfd_thread.h), which merges and spaces them,
 * as network cards moderate theirs, and ends the connection where that thread finds them too dear for
 * anybody. MUTED: no write at all; the connection is about to end.
 *
 *   Time in a write is processor time: a thread that has lost its processor there costs the others nothing
 * that the front end decides. A thread that slept there is charged all of it, because honest writes never
 * sleep. To ask for processor time takes longer than the write, so it is done where the line's last write was
 * long by the clock, and for one write of several, nobody knows which, while the port's have been long for
 * more than its share. A port whose write is then seen to cost processor time pays for the asking as well,
 * and for the long write before it.
 *
 * Threads: any thread may write; each has a slot of its own from its first write on. A line is used by one
 * thread at a time (virtq.h).
 */
#ifndef VH_VIRTIO_CALL_H
#define VH_VIRTIO_CALL_H

#include "../base/defs.h"
#include "../base/spinlock.h"

/* Workers, librte_vhost's thread, the control thread, the one for writes apart, and some to spare. */
#define VH_CALL_SLOTS (VH_MAX_WORKERS + 16)
/* Of one worker's time, what a port's interrupts may take, and all ports' together: one part of so many. */
#define VH_CALL_SHARE 100
#define VH_CALL_SHARE_OF_ALL 25
/* What may be used up at once, and how long a port stays apart then. */
#define VH_CALL_BURST_US 10000
#define VH_CALL_APART_US 1000000
/* The longest honest write: of a thread that has to be woken on another processor, under another hypervisor.
 * On slower machines it is VH_CALL_HONEST_TIMES what a write that wakes nobody takes. */
#define VH_CALL_HONEST_US 20
#define VH_CALL_HONEST_TIMES 32
/* A worker that has found work in every turn for this long is busy. */
#define VH_CALL_BUSY_US 100

/* Ticks that may be used; a lock, because several threads write for one port. */
struct vh_budget {
	struct vh_spinlock lock;
	int64_t left;
	uint64_t at; /* 0: never used, so full */
};

enum vh_call_stage { VH_CALL_DIRECT, VH_CALL_APART, VH_CALL_MUTED };

/* What one port's interrupts cost. All zeroes: nothing yet. */
struct vh_call {
	uint32_t stage;			    /* atomic; enum vh_call_stage */
	uint16_t port;			    /* whose */
	uint64_t apart_until;		    /* atomic, ticks */
	uint64_t exact_until;		    /* atomic, ticks: processor time is read around some writes */
	uint64_t sent_apart;		    /* atomic; writes of the thread for those */
	struct vh_budget budget, suspicion; /* of processor time, and of time by the clock */
	/* The thread's for writes apart. */
	struct vh_budget apart;
	uint64_t not_before; /* ticks: when it writes next */
};

/* A queue's call eventfd. */
struct vh_line {
	int fd; /* the caller's, who closes it when nobody uses the line any more */
	struct vh_call *call;
	bool exact;	 /* atomic; the last write was long: processor time is read around the next one */
	uint64_t unpaid; /* atomic; ticks of that write, which nobody was charged for yet */
	/* Of writes apart. */
	uint32_t due; /* atomic; waits for one */
	struct vh_line *next;
	uint64_t not_before; /* ticks */
};

/* What a thread is writing to. */
struct vh_call_slot {
	int32_t tid;	 /* atomic; 0: free */
	uint32_t port;	 /* atomic; of the write under way */
	uint64_t writes; /* atomic; begun and ended: odd while one is under way */
	/* The thread's own. */
	uint64_t idle_at;     /* ticks; workers: when there was nothing to do last */
	struct vh_budget all; /* ports together */
	bool worker;
} VH_CACHE_ALIGNED;

extern struct vh_call_slot vh_call_slots[VH_CALL_SLOTS];

/* Says how fast the clock is; before that nothing is measured. ticks: per second, of vh_lane.ticks. */
void vh_call_start(uint64_t ticks);

/* Of the same clock. */
uint64_t vh_call_ticks(void);
uint64_t vh_call_us(uint64_t us);

/* The calling thread's slot, which it has until it leaves; NULL where there are too many threads. */
struct vh_call_slot *vh_call_join(bool worker);
void vh_call_leave(void);

/* A worker has found nothing to do. */
static inline void vh_call_idle(struct vh_call_slot *s, uint64_t ticks)
{
	if (s != NULL)
		s->idle_at = ticks;
}

/* Interrupts the guest, now or, apart, soon. Return: whether it is interrupted by this call or because of it.
 */
bool vh_call_write(struct vh_line *line);

/* One write by the thread for writes apart. *ticks: what it has cost. Return: as write(). */
bool vh_call_write_apart(struct vh_line *line, uint64_t *ticks);

/* Lines that wait for a write apart, the one that came last first; theirs is `next` until `due` is cleared.
 */
struct vh_line *vh_call_take_due(void);

/*
 * The thread for writes apart is about to sleep (true: `wake` is called for the next line that is due) or is
 * up. Return: with true, whether it may: no line is due.
 */
bool vh_call_apart_sleeps(bool sleeps);
extern void (*vh_call_wake_apart)(void);

/* Charges a budget for so many ticks. Return: whether there is something left. */
bool vh_budget_charge(struct vh_budget *b, uint64_t now, uint64_t ticks, uint32_t share);

/* Ticks of a write beyond what an honest one takes. */
uint64_t vh_call_excess(uint64_t ticks);

#endif
