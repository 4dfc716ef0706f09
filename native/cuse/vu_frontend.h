/*
 * The front end: what a guest's client wants, said over its link, and all said again after a loss.
 *
 * A link is down, or up. Whatever goes wrong with the back end (it ends, does not answer in time, refuses)
 * takes it down and is no error of the client's: vh_cuse_link_reconnect() tells the back end everything again
 * once it is back, from struct vh_cuse_port alone. Only what is wrong with the client's own words is returned
 * to it.
 *
 * A ring that runs while the link is down has its position in guest memory: with a split ring, the used index
 * says how far the back end came. (That is why packed rings are not offered: theirs would be lost.)
 */
#ifndef VH_CUSE_VU_FRONTEND_H
#define VH_CUSE_VU_FRONTEND_H

#include "vu_link.h"

/* VIRTIO_F_ACCESS_PLATFORM (virtio 1.2, 6). */
#define VH_CUSE_ACCESS_PLATFORM (1ULL << 33)

/* Nobody is connected yet. */
void vh_cuse_link_init(struct vh_cuse_link *l, const struct vh_cuse_world *world, struct vh_cuse_port *port);

/*
 * Connects, unless it is up, and asks what the back end can do, each answer within patience_ms. Return: 0 or
 * a negative errno.
 */
int vh_cuse_link_up(struct vh_cuse_link *l, uint32_t patience_ms);

/* The socket is readable: the back end, which says nothing unasked, has ended it. */
void vh_cuse_link_lost(struct vh_cuse_link *l);

/* After a loss: connects, tells everything again and wakes both sides; later again when that fails. */
void vh_cuse_link_reconnect(struct vh_cuse_link *l);

/*
 * The client's ring runs from now on. Return: 0, also when the back end is away, or a negative errno where
 * what the client said cannot work; then it does not run.
 */
int vh_cuse_link_start(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring);

/* It stops; its position is in `base` afterwards. */
void vh_cuse_link_stop(struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring);

/* The guest's memory has changed: port->region is new. Return: 0 or a negative errno as above. */
int vh_cuse_link_memory(struct vh_cuse_link *l);

/* What a client takes has changed while its rings run, which only logging may; a running ring has other flags
 * for that. */
void vh_cuse_link_features(struct vh_cuse_link *l, const struct vh_cuse_client *c);
void vh_cuse_link_addr(struct vh_cuse_link *l, const struct vh_cuse_client *c, uint32_t ring);

/* A running ring has a new call or kick descriptor. Return: 0 or a negative errno as above. */
int vh_cuse_link_event(
	struct vh_cuse_link *l, struct vh_cuse_client *c, uint32_t ring, uint32_t request, int fd);

/* What a client is offered: bits of linux/vhost.h and of virtio-net. */
uint64_t vh_cuse_link_offer(const struct vh_cuse_port *port);

#endif
