/*
 * The supervisor: what must not end as long as a guest uses a device.
 *
 * A device is there as long as somebody has its descriptor of /dev/cuse open, and QEMU aborts when it is
 * gone. So a process that does nothing else holds these descriptors and the devices' state (shared_state.h);
 * all that could fail is done by the bridge, its child (bridge.h), and where that ends another one goes on.
 * The switch is neither's parent: it may end and come back, and finds the supervisor by its socket.
 *
 * The line (main.c, supervisor_socket.h): a UNIX stream socket that only its owner may use. One line asks,
 * one or more answer. add NAME MODE UID GID SOCKET   makes /dev/NAME for the port behind SOCKET, or finds it
 * there: ok remove NAME                    at once, or when its last client closes it: ok list NAME OPENS
 * SOCKET for each device, then: ok retire                         removes all, and ends when none is left: ok
 * An answer that is not ok is "error TEXT".
 *
 * It ends by itself after it was told to retire, and with SIGTERM at once.
 */
#ifndef VH_CUSE_SUPERVISOR_SUPERVISOR_H
#define VH_CUSE_SUPERVISOR_SUPERVISOR_H

#include "../shared_state.h"

struct vh_cuse_supervisor {
	struct vh_cuse_slots *slots;
	int fd[VH_CUSE_DEVICES]; /* of /dev/cuse; -1: none */
	int line;		 /* to the bridge */
	pid_t bridge;
	uint64_t born; /* ms */
	bool retiring;
};

/* Makes the slots and starts the first bridge. Return: 0, or a negative errno. */
int vh_cuse_supervisor_start(struct vh_cuse_supervisor *s);

/* The bridge has ended: another one goes on with all devices. Return: 0, or a negative errno. */
int vh_cuse_supervisor_revive(struct vh_cuse_supervisor *s);

/* How a device is to be. */
struct vh_cuse_spec {
	char name[VH_CUSE_NAME], socket[VH_CUSE_SOCKET];
	uint32_t mode;
	int uid, gid;
};

/* Return: NULL, or why there is no such device (text of the supervisor's own). */
const char *vh_cuse_supervisor_add(struct vh_cuse_supervisor *s, const struct vh_cuse_spec *spec);
const char *vh_cuse_supervisor_remove(struct vh_cuse_supervisor *s, const char *name);
void vh_cuse_supervisor_retire(struct vh_cuse_supervisor *s);

/* Removes what may go by now. Return: whether something is waiting to. */
bool vh_cuse_supervisor_sweep(struct vh_cuse_supervisor *s);

/* Whether it was told to retire and nothing is left. */
bool vh_cuse_supervisor_done(const struct vh_cuse_supervisor *s);

#endif
