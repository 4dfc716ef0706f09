#include "shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct rte_vhost_memory *share_memory(const struct guest *g)
{
	struct rte_vhost_memory *table =
		calloc(1, sizeof(*table) + GUEST_REGIONS * sizeof(table->regions[0]));

	table->nregions = GUEST_REGIONS;
	for (uint32_t i = 0; i < GUEST_REGIONS; i++) {
		uint8_t *p = g->region[i];
		int fd = memfd_create("guest", MFD_CLOEXEC);

		REQUIRE(fd >= 0 && ftruncate(fd, GUEST_REGION_SIZE) == 0);
		REQUIRE(pwrite(fd, p, GUEST_REGION_SIZE, 0) == (ssize_t)GUEST_REGION_SIZE);
		REQUIRE(mmap(p, GUEST_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
			p);
		table->regions[i] = (struct rte_vhost_mem_region){.host_user_addr = (uintptr_t)p,
			.size = GUEST_REGION_SIZE,
			.mmap_addr = p,
			.mmap_size = GUEST_REGION_SIZE,
			.fd = fd};
	}
	return table;
}

void unshare_memory(struct rte_vhost_memory *table)
{
	for (uint32_t i = 0; i < table->nregions; i++)
		close(table->regions[i].fd);
	free(table);
}

bool is_unmapped(void *p)
{
	void *page = (void *)((uintptr_t)p & ~(uintptr_t)4095);

	return msync(page, 1, MS_ASYNC) != 0 && errno == ENOMEM;
}
