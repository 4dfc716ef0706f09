#include "bridge.h"
#include "device.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct vh_cuse_device *devices[VH_CUSE_DEVICES];

/* Return: whether an order came; *fd is -1 where it brought none. */
static bool receive(int line, struct vh_cuse_order *order, int *fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec v = {.iov_base = order, .iov_len = sizeof(*order)};
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;

	do
		n = recvmsg(line, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*fd = -1;
	if (n == (ssize_t)sizeof(*order) && CMSG_FIRSTHDR(&m) != NULL)
		memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	return n == (ssize_t)sizeof(*order) && order->slot < VH_CUSE_DEVICES;
}

static char obey(struct vh_cuse_slots *slots, const struct vh_cuse_order *order, int fd)
{
	struct vh_cuse_device **d = &devices[order->slot];

	if (*d != NULL)
		vh_cuse_device_stop(*d);
	*d = NULL;
	if (order->what == VH_CUSE_STOP)
		return 0;
	*d = vh_cuse_device_start(&slots->slot[order->slot], fd);
	return *d == NULL;
}

_Noreturn void vh_cuse_bridge(struct vh_cuse_slots *slots, int line)
{
	struct vh_cuse_order order;
	int fd;

	while (receive(line, &order, &fd)) {
		char failed = obey(slots, &order, fd);

		if (send(line, &failed, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	_exit(0);
}
