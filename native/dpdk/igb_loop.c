#include "igb_loop.h"

#include <stddef.h>
#include <stdint.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <rte_vfio.h>

/* Register that loops frames back (82576 datasheet, 8.14: DTXSWC), and its bit for that. */
#define IGB_DTXSWC 0x3500
#define IGB_LOOPBACK (1U << 31)
#define IGB_BAR_BYTES 0x20000

#define SYSFS_PCI "/sys/bus/pci/devices"

/* The card's registers, by a way of our own to the device: drivers keep theirs to themselves. */
struct registers {
	int fd;
	volatile uint32_t *at; /* NULL: they cannot be reached */
};

static struct registers map_registers(const char *pci)
{
	struct vfio_device_info device = {.argsz = sizeof(device)};
	struct vfio_region_info bar = {.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX};
	struct registers r = {.fd = -1};
	void *p;

	if (rte_vfio_setup_device(SYSFS_PCI, pci, &r.fd, &device) != 0)
		return r;
	if (ioctl(r.fd, VFIO_DEVICE_GET_REGION_INFO, &bar) == 0 && bar.size >= IGB_BAR_BYTES) {
		p = mmap(NULL, IGB_BAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, (off_t)bar.offset);
		r.at = p == MAP_FAILED ? NULL : p;
	}
	if (r.at == NULL)
		rte_vfio_release_device(SYSFS_PCI, pci, r.fd);
	return r;
}

bool vh_igb_loop(const char *pci, bool on)
{
	struct registers r = map_registers(pci);
	uint32_t before;

	if (r.at == NULL)
		return false;
	before = r.at[IGB_DTXSWC / 4];
	r.at[IGB_DTXSWC / 4] = on ? before | IGB_LOOPBACK : before & ~IGB_LOOPBACK;
	munmap((void *)(uintptr_t)r.at, IGB_BAR_BYTES);
	rte_vfio_release_device(SYSFS_PCI, pci, r.fd);
	return true;
}
