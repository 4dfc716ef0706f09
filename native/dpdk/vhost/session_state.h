/* What a session knows of its guest; who does what with it is in session.h. */
#ifndef VH_DPDK_VHOST_SESSION_STATE_H
#define VH_DPDK_VHOST_SESSION_STATE_H

#include <pthread.h>
#include <sys/types.h>
#include "../proxy/ring_record_file.h"
#include "session_iommu.h"
#include "session_dirty_log.h"
#include "../../switch/switch.h"

/* What the front end has said of a ring (vhost-user protocol, "Ring states"). */
enum vh_ring_enable { VH_RING_UNTOLD, VH_RING_ENABLED, VH_RING_DISABLED };

/* What is done with it. */
enum vh_ring_use {
	VH_RING_IDLE,	 /* nothing: not started, not enabled, or refused */
	VH_RING_SERVED,	 /* its queue is live */
	VH_RING_DRAINED, /* a transmit ring that was disabled: what its driver still sends is given back */
};

struct vh_ring {
	bool started;	/* from its kick descriptor to GET_VRING_BASE */
	bool sized;	/* has got a number of entries */
	uint16_t began; /* position at which its driver started it */
	enum vh_ring_enable enable;
	enum vh_ring_use use;
	bool watched;	      /* its kick eventfd is in the worker's epoll */
	bool lifted;	      /* on its way from one worker to another */
	int call_fd, kick_fd; /* our duplicates, or -1 */
	struct vh_line *line; /* by which the former is written to, or NULL */
	const char *refused;  /* why it does not run, where that was said */
	uint16_t worker;      /* who polls it (transmit rings) */
	uint16_t size;
	uint32_t placed; /* the last vh_engine_rebalance() that has looked at it */
};

struct vh_session {
	char name[VH_MAX_NAME];
	char path[VH_MAX_SOCKET_PATH + 1];
	uint64_t offered; /* features */
	unsigned int socket_mode;
	int socket_gid;
	/* Of the socket by that name, as long as it is ours; inode 0: not made yet. */
	dev_t device;
	ino_t inode;
	struct vh_switch *sw;
	struct vh_port *port;
	pthread_mutex_t lock;
	/* Under the lock. */
	int vid;	 /* librte_vhost's device, or -1 */
	bool ready;	 /* frames can go both ways */
	bool negotiated; /* SET_FEATURES has come */
	bool mapped;	 /* the library has a memory table */
	bool closing;	 /* no ring starts any more: the port is being removed */
	uint64_t features;
	uint64_t memory_bytes;
	struct vh_guest_mem mem;
	struct vh_session_log log;
	struct vh_session_iommu iommu;
	struct vh_ring *ring;	   /* two for each pair */
	struct vh_records records; /* of packed rings */
};

#endif
