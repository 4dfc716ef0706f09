/*
 * A port as its guest sees it through /dev/<basename>-N: the state behind the ioctls of linux/vhost.h.
 *
 * Theory of operation
 *   The kernel's vhost-net has one open file per queue pair; vhost-user has one connection for all of them.
 * So every open is a client, clients of one process are one guest, and the guest has one link (vu_link.h) to
 * the port's own socket. An ioctl is written down here first; the back end hears of a ring when its client
 * starts it (NET_SET_BACKEND with a descriptor), all at once, and gives its position back when it is stopped.
 * So a back end that is away costs the client nothing: what was written down is told again when it is back.
 *
 *   open -> SET_OWNER -> features, memory, rings -> NET_SET_BACKEND(fd) -> running
 *             ^                                                              |
 *             `---- RESET_OWNER, release <---- NET_SET_BACKEND(-1) <---------'
 *
 * Owner thread
 *   The device's own (device.h). Everything in struct vh_cuse_port lies in memory that the supervisor keeps
 * (supervisor.h): no pointer and no descriptor may be in it, since another process goes on with it when this
 * one has crashed.
 *
 * Limits
 *   VH_CUSE_CLIENTS opens at once. Ring sizes, regions and addresses are held to what the switch's gate
 * (dpdk/proxy/msg_filter.h) takes, so that no client can make us send what ends the connection.
 */
#ifndef VH_CUSE_PORT_H
#define VH_CUSE_PORT_H

#include <linux/vhost.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Queue pairs of one port: VH_MAX_PAIRS of base/defs.h. */
#define VH_CUSE_PAIRS 64
/* Opens at once: a guest with all its pairs, and as many that look on, or are on their way out. */
#define VH_CUSE_CLIENTS (2 * VH_CUSE_PAIRS)
/* Regions that a client may name (the kernel's vhost takes 64), and that vhost-user carries. */
#define VH_CUSE_REGIONS 64
#define VH_CUSE_SHARED 8

struct vh_cuse_ring {
	uint32_t size; /* entries; 0: not said yet */
	uint32_t base; /* next available entry */
	struct vhost_vring_addr addr;
	bool placed;	    /* addr was said */
	bool running;	    /* between NET_SET_BACKEND(fd) and NET_SET_BACKEND(-1) */
	int32_t call, kick; /* the client's own descriptor numbers; -1: none */
};

struct vh_cuse_client {
	uint64_t id; /* FUSE's number of its open; 0: free */
	bool owner;  /* said SET_OWNER */
	uint32_t pair;
	uint64_t features;
	struct vh_cuse_ring ring[2]; /* receive, transmit */
};

/* Guest memory that the back end can be given. */
struct vh_cuse_part {
	uint64_t gpa, size, user, offset; /* user: the client's own address; offset: in the file */
	uint64_t dev, ino;
};

struct vh_cuse_port {
	/* What the back end said when it was last there. */
	bool known;
	bool logs; /* it can be given a dirty log */
	uint64_t offered, protocol;
	uint32_t pairs;
	/* The guest: its process (thread group) and when that was started; 0: none. */
	pid_t process;
	uint64_t started;
	uint32_t uid;  /* who that process was when it said SET_OWNER */
	bool loggable; /* its memory can be written, so its rings can be logged */
	uint64_t log;  /* where in its memory its dirty log is; 0: nowhere (dirty_log.h) */
	bool log_lost; /* marks may have been lost: all its memory counts as written */
	uint32_t regions;
	struct vhost_memory_region region[VH_CUSE_REGIONS];
	struct vh_cuse_client client[VH_CUSE_CLIENTS];
};

/* What the translator needs of the world; the real one is host_ops.h, tests have their own. */
struct vh_cuse_world {
	void *self;
	/* Return: a socket with the port's back end, or a negative errno. */
	int (*connect)(void *self);
	/* A copy of descriptor `fd` of the process, checked to be an eventfd. Return: it, or a negative
	 * errno. */
	int (*take_event)(void *self, pid_t process, int fd);
	/* Whether the process has this descriptor. Return: 0 or a negative errno. */
	int (*has_fd)(void *self, pid_t process, int fd);
	/*
	 * Finds the files behind the n regions, skips those that are not shared, and opens the rest.
	 * Return: how many parts[] and fds[] (the caller's to close) were filled, at most VH_CUSE_SHARED and
	 * at least 1, or a negative errno.
	 */
	int (*find_memory)(void *self, pid_t process, const struct vhost_memory_region *regions, uint32_t n,
		struct vh_cuse_part *parts, int *fds);
	/* Reads the process's memory. Return: 0 or a negative errno. */
	int (*peek)(void *self, pid_t process, uint64_t address, void *to, size_t n);
	/*
	 * Opens the process's memory for writing, where the process belongs to `uid`. What it executes after
	 * that is out of reach, and so is what has got other rights by being executed: the kernel says that
	 * this belongs to root. Return: a descriptor, or a negative errno.
	 */
	int (*open_memory)(void *self, pid_t process, uint32_t uid);
	/* When the process was started, in the kernel's own unit; 0: there is no such process. */
	uint64_t (*birth)(void *self, pid_t process);
	uint64_t (*now)(void *self); /* ms */
	void (*say)(void *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
};

#endif
