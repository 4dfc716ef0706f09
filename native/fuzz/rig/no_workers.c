/* What a session asks of workers and cards, where there are none: the target polls by itself. */
#include "../../dpdk/uplink/zc_tx.h"
#include "../../dpdk/uplink/zc_rx.h"
#include "../../dpdk/uplink/guest_dma.h"
#include "../../dpdk/vhost/fdset_wakeup.h"
#include "../../dpdk/runtime/worker.h"

bool vh_direct_is_on(void)
{
	return false;
}

void vh_direct_begin(uint16_t port, struct vh_vq *vq)
{
	(void)port, (void)vq;
}

uint64_t vh_direct_deadline(void)
{
	return 0;
}

void vh_direct_end(struct vh_vq *vq, struct vh_counters *own, uint64_t deadline)
{
	(void)vq, (void)own, (void)deadline;
}

void vh_feed_stop(uint16_t port)
{
	(void)port;
}

void vh_feed_end(uint16_t port, bool answers)
{
	(void)port, (void)answers;
}

void vh_loan_open(uint16_t port, const struct rte_vhost_memory *table)
{
	(void)port, (void)table;
}

void vh_loan_close(uint16_t port)
{
	(void)port;
}

void vh_workers_sync(void)
{
}

void vh_workers_join(void)
{
}

void vh_workers_leave(void)
{
}

uint32_t vh_workers_now(void)
{
	return 0;
}

void vh_workers_unkicked(uint32_t worker, int change)
{
	(void)worker, (void)change;
}

int vh_workers_watch(uint32_t worker, int kick_fd)
{
	(void)worker, (void)kick_fd;
	return 0;
}

void vh_workers_unwatch(uint32_t worker, int kick_fd)
{
	(void)worker, (void)kick_fd;
}

void vh_workers_wake(uint32_t worker)
{
	(void)worker;
}

void vh_wake_open(int fd, const char *path)
{
	(void)fd, (void)path;
}

void vh_wake(void)
{
}
