#include "fdset_wakeup.h"
#include "../proxy/msg_filter.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <rte_vhost.h>

static struct {
	int fd;	       /* our end, or -1 */
	char name[32]; /* by which the library knows its end */
} wake = {.fd = -1};

/* Of a device that never gets as far as to have a ring. */
static const struct rte_vhost_device_ops no_ops;

/* Return: our end, or -1. */
static int connect_library(int fd)
{
	if (rte_vhost_driver_callback_register(wake.name, &no_ops) != 0 ||
		rte_vhost_driver_start(wake.name) != 0)
		return -1;
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void vh_wake_open(int fd, const char *path)
{
	int target;

	if (wake.fd >= 0)
		return;
	/* By this way, because the path itself is the port's name at the library. */
	target = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (target < 0)
		return;
	snprintf(wake.name, sizeof(wake.name), "/proc/self/fd/%d", target);
	if (listen(fd, 1) == 0 && rte_vhost_driver_register(wake.name,
					  RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_NO_RECONNECT) == 0) {
		wake.fd = connect_library(fd);
		if (wake.fd < 0)
			rte_vhost_driver_unregister(wake.name);
	}
	close(target);
}

void vh_wake(void)
{
	/* A message that has no consequences and gets no reply. */
	const struct vh_vhu_msg nothing = {.request = VH_VHU_SET_OWNER, .flags = VH_VHU_VERSION};

	if (wake.fd >= 0)
		(void)!send(wake.fd, &nothing, VH_VHU_HEADER, MSG_NOSIGNAL);
}

void vh_wake_close(void)
{
	if (wake.fd < 0)
		return;
	close(wake.fd);
	wake.fd = -1;
	rte_vhost_driver_unregister(wake.name);
}
