#include "session_dirty_log.h"
#include "../proxy/proxy.h"
#include "../runtime/sigbus.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void unmap(struct vh_session_log *l, uint16_t port)
{
	vh_sigbus_region(port, VH_SIGBUS_LOG, NULL, 0);
	if (l->map != NULL)
		munmap(l->map, l->map_size);
	l->map = NULL;
	l->map_size = 0;
	l->log = (struct vh_dirty_log){0};
}

/* Maps the log anew; the gate has looked at size, offset and file. Return: whether that worked. */
static bool map(struct vh_session_log *l, uint16_t port, uint64_t size, uint64_t offset)
{
	/* Not from the offset on: that need not be a page's. */
	int fd = vh_relay_take_log(port);
	void *p =
		fd < 0 ? MAP_FAILED
		       : mmap(NULL, offset + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (fd >= 0)
		close(fd);
	unmap(l, port);
	if (p == MAP_FAILED)
		return false;
	l->map = p;
	l->map_size = offset + size;
	l->log = (struct vh_dirty_log){.bitmap = (uint8_t *)p + offset, .bytes = size};
	vh_sigbus_region(port, VH_SIGBUS_LOG, p, l->map_size);
	return true;
}

bool vh_session_log_note(struct vh_session_log *l, uint16_t port, struct vh_vhu_msg *msg)
{
	switch (msg->request) {
	case VH_VHU_SET_FEATURES:
		l->memory = (msg->u64 & VH_F_LOG_ALL) != 0;
		msg->u64 &= ~VH_F_LOG_ALL;
		return true;
	case VH_VHU_SET_LOG_BASE:
		return map(l, port, msg->log.size, msg->log.offset);
	case VH_VHU_SET_VRING_ADDR:
		l->ring[msg->addr.index].wanted = (msg->addr.flags & VH_VHU_VRING_LOG) != 0;
		l->ring[msg->addr.index].used = msg->addr.log;
		msg->addr.flags = 0;
		msg->addr.log = 0;
		return true;
	case VH_VHU_RESET_OWNER:
		vh_session_log_forget(l, port);
		return true;
	default:
		return true;
	}
}

void vh_session_log_forget(struct vh_session_log *l, uint16_t port)
{
	unmap(l, port);
	l->memory = false;
	memset(l->ring, 0, l->rings * sizeof(*l->ring));
}

const struct vh_vq_log *vh_session_log_of(struct vh_session_log *l, uint32_t ring, bool iova)
{
	struct vh_ring_log *r = &l->ring[ring];

	r->queue = (struct vh_vq_log){.log = l->log,
		.memory = l->memory || (iova && r->wanted),
		.used_ring = !iova && r->wanted,
		.used = r->used};
	return l->memory || r->wanted ? &r->queue : NULL;
}
