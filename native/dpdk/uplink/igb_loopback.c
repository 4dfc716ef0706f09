#include "igb_loopback.h"

#include <stddef.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <rte_vfio.h>

/* Register that loops frames back (82576 datasheet, 8.14: DTXSWC), and its bit for that. */
#define IGB_DTXSWC 0x3500
#define IGB_LOOPBACK (1U << 31)
#define IGB_BAR_BYTES 0x20000

#define SYSFS_PCI "/sys/bus/pci/devices"

/* By a way of our own to the device: drivers keep theirs to themselves. */
volatile uint32_t *vh_igb_open(const char *pci)
{
	struct vfio_device_info device = {.argsz = sizeof(device)};
	struct vfio_region_info bar = {.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX};
	void *p = MAP_FAILED;
	int fd = -1;

	if (rte_vfio_setup_device(SYSFS_PCI, pci, &fd, &device) != 0)
		return NULL;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &bar) == 0 && bar.size >= IGB_BAR_BYTES)
		p = mmap(NULL, IGB_BAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)bar.offset);
	/* The mapping stays without it. */
	rte_vfio_release_device(SYSFS_PCI, pci, fd);
	return p == MAP_FAILED ? NULL : p;
}

void vh_igb_close(volatile uint32_t *registers)
{
	if (registers != NULL)
		munmap((void *)(uintptr_t)registers, IGB_BAR_BYTES);
}

void vh_igb_loop(volatile uint32_t *registers, bool on)
{
	uint32_t before = registers[IGB_DTXSWC / 4];

	registers[IGB_DTXSWC / 4] = on ? before | IGB_LOOPBACK : before & ~IGB_LOOPBACK;
}
