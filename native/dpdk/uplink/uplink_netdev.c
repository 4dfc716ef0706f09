#include "uplink_netdev.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Asks the kernel about the interface, or tells it. Return: 0, or a negative errno; -ENODEV: it has gone. */
static int ask(unsigned int index, unsigned long what, struct ifreq *r)
{
	int fd, result = 0;

	if (if_indextoname(index, r->ifr_name) == NULL)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, what, r) != 0)
		result = -errno;
	close(fd);
	return result;
}

enum vh_uplink_state vh_interface_state(unsigned int index)
{
	struct ifreq r = {0};
	int result = ask(index, SIOCGIFFLAGS, &r);

	if (result != 0)
		return result == -ENODEV ? VH_UPLINK_GONE : VH_UPLINK_DOWN;
	return (r.ifr_flags & IFF_RUNNING) != 0 ? VH_UPLINK_UP : VH_UPLINK_DOWN;
}

bool vh_interface_has_mtu(const char *driver)
{
	return strcmp(driver, "net_af_packet") == 0 || strcmp(driver, "net_tap") == 0;
}

int vh_interface_set_mtu(unsigned int index, uint32_t mtu)
{
	struct ifreq r = {.ifr_mtu = (int)mtu};

	return ask(index, SIOCSIFMTU, &r);
}

/* Return: whether ethtool's switch `command` (one of ETHTOOL_G…) is on. */
static bool is_on(unsigned int index, uint32_t command)
{
	struct ethtool_value value = {.cmd = command};
	struct ifreq r = {.ifr_data = (char *)&value};

	return ask(index, SIOCETHTOOL, &r) == 0 && value.data != 0;
}

static bool is_veth(unsigned int index)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (char *)&info};

	return ask(index, SIOCETHTOOL, &r) == 0 && strcmp(info.driver, "veth") == 0;
}

bool vh_interface_remark(unsigned int index, char *out, size_t n)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(index, name) == NULL)
		return false;
	if (is_veth(index))
		snprintf(out, n,
			"%s is one end of a veth pair: what the kernel sends from the other end has neither "
			"checksums "
			"nor segments of its MTU, unless set to: ethtool -K PEER tx off",
			name);
	else if (is_on(index, ETHTOOL_GGRO))
		snprintf(out, n,
			"%s joins frames that come in, which is more than its buffers take: ethtool -K %s "
			"gro off "
			"lro off",
			name, name);
	else
		return false;
	return true;
}
