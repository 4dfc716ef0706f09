/*
 * A device as the kernel has it: its number, and its node in /dev.
 *
 * The kernel gives every CUSE device that asks for none a major number of its own, of which it has some 140
 * to give. So all devices but the first ask for a minor number below the first one's major: nobody else is
 * given numbers there as long as one of them is left.
 */
#ifndef VH_CUSE_DEVNODE_H
#define VH_CUSE_DEVNODE_H

#include <stdint.h>
#include <sys/types.h>

/* The number of the device of this name in the kernel's own list; 0: there is none. */
dev_t vh_cuse_node_number(const char *name);

/* The node, once it is there and the kernel says that it is this device. Return: an O_PATH descriptor or -1.
 */
int vh_cuse_node_find(const char *name);

/* Sets owner, group (-1: as it is) and mode of a node that was found. Return: 0 or a negative errno. */
int vh_cuse_node_open_to(int node, int uid, int gid, uint32_t mode);

/* A number beside n others (0: none, not counted). Return: 0 where the kernel is to choose it. */
dev_t vh_cuse_node_next(const dev_t *others, uint32_t n);

#endif
