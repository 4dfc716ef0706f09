/* channels IFACE N: the interface uses N queue pairs, as `ethtool -L IFACE combined N` would have it (linux/ethtool.h). */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (void *)&channels};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 3 || fd < 0)
		return 2;
	strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
	if (ioctl(fd, SIOCETHTOOL, &request) != 0) {
		perror("ETHTOOL_GCHANNELS");
		return 1;
	}
	channels.cmd = ETHTOOL_SCHANNELS;
	channels.combined_count = (unsigned int)atoi(argv[2]);
	if (ioctl(fd, SIOCETHTOOL, &request) != 0) {
		perror("ETHTOOL_SCHANNELS");
		return 1;
	}
	return 0;
}
