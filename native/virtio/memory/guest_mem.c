#include "guest_mem.h"

int vh_guest_mem_add(struct vh_guest_mem *mem, uint64_t gpa, uint64_t size, void *hva)
{
	if (mem->n >= VH_MAX_REGIONS || size == 0 || hva == NULL)
		return -1;
	if (gpa + size < gpa || (uintptr_t)hva + size < (uintptr_t)hva)
		return -1;
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct vh_region *r = &mem->region[i];

		if (gpa < r->gpa + r->size && r->gpa < gpa + size)
			return -1;
	}
	mem->region[mem->n++] = (struct vh_region){.gpa = gpa, .size = size, .hva = hva};
	return 0;
}

bool vh_guest_mem_holds(const struct vh_guest_mem *mem, const void *p, uint64_t len)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct vh_region *r = &mem->region[i];
		uint64_t offset = (uintptr_t)p - (uintptr_t)r->hva;

		if (offset < r->size && len <= r->size - offset)
			return true;
	}
	return false;
}

bool vh_guest_mem_address(const struct vh_guest_mem *mem, const void *p, uint64_t *gpa)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct vh_region *r = &mem->region[i];
		uint64_t offset = (uintptr_t)p - (uintptr_t)r->hva;

		if (offset < r->size) {
			*gpa = r->gpa + offset;
			return true;
		}
	}
	return false;
}

uint8_t *vh_guest_mem_part(const struct vh_guest_mem *mem, uint64_t gpa, uint32_t len, uint32_t *got)
{
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct vh_region *r = &mem->region[i];
		uint64_t offset = gpa - r->gpa;

		if (offset < r->size) {
			uint64_t left = r->size - offset;

			*got = len < left ? len : (uint32_t)left;
			return r->hva + offset;
		}
	}
	return NULL;
}
