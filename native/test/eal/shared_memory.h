/* A mock guest's memory as librte_vhost would have it: files that can be mapped again. */
#ifndef VH_TEST_SHARED_MEMORY_H
#define VH_TEST_SHARED_MEMORY_H

#include "../rig/guest.h"

#include <rte_vhost.h>

/* Puts files behind the guest's memory. Return: the table of them, which ends with unshare_memory(). */
struct rte_vhost_memory *share_memory(const struct guest *g);
void unshare_memory(struct rte_vhost_memory *table);

/* Whether an address is in no mapping. */
bool is_unmapped(void *p);

#endif
