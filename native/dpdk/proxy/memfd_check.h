/*
 * Whether a descriptor that a front end sent is fit to be a guest's memory.
 *
 * A page of it that is not there must never keep a worker waiting, so files of user-space and network file
 * systems are refused: their server, which may be the guest's own, decides when a page fault returns. The
 * check itself asks nothing that such a server would have to answer. A file too short for its regions is
 * refused; one that is cut later is sigbus.h's business.
 */
#ifndef VH_DPDK_PROXY_MEMFD_CHECK_H
#define VH_DPDK_PROXY_MEMFD_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Return: NULL when `size` bytes from the file's beginning can be mapped for writing, or why not. */
const char *vh_memfile_check(int fd, uint64_t size);

/* Whether it is memory and nothing else: memfd, tmpfs, hugetlbfs. */
bool vh_memfile_is_memory(int fd);

#endif
