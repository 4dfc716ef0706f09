/*
 * What a port lacks before its guest has a network: the reasons that `ports` shows.
 *
 * The switch sees what its front end says and what stands in the guest's rings, no more: why a front end
 * stays away, or stops half way, is guessed from where it stopped.
 */
#ifndef VH_DPDK_VHOST_PORT_LACK_H
#define VH_DPDK_VHOST_PORT_LACK_H

/*
 * X(identifier, name, text). Names are what JSON has: they stay. In the order in which a front end comes by
 * them.
 */
#define VH_LACKS(X)                                                                                          \
	X(NOTHING, "nothing", "")                                                                            \
	X(FRONT_END, "no_front_end", "nobody is connected to its socket")                                    \
	X(SHUT, "shut_out", "nobody is let in for now")                                                      \
	X(FEATURES, "no_features",                                                                           \
		"no driver has begun: the front end has not said which features it takes")                   \
	X(MEMORY, "no_memory", "the front end shares no memory")                                             \
	X(BYTE_ORDER, "legacy_byte_order",                                                                   \
		"the front end stopped in the middle of a queue, with a driver from before virtio 1.0: "     \
		"most "                                                                                      \
		"likely its byte order is another one's")                                                    \
	X(RINGS, "no_rings", "no queue was started: the guest's driver is not up")                           \
	X(REFUSED, "ring_refused", "a queue cannot be used")                                                 \
	X(ENABLED, "not_enabled", "queues are there, but the front end has enabled none")                    \
	X(RECEIVE, "no_receive_queue", "it can send, but no receive queue is enabled")                       \
	X(TRANSMIT, "no_transmit_queue", "it can receive, but no transmit queue is enabled")                 \
	X(BUFFERS, "no_receive_buffers", "its driver has given no receive buffers since it started")

enum vh_lack {
#define VH_X(id, name, text) VH_LACK_##id,
	VH_LACKS(VH_X)
#undef VH_X
		VH_LACK_COUNT
};

struct vh_session;

const char *vh_lack_name(enum vh_lack lack);

/* Under the session's lock. *text: the same in words; of a ring that is refused, what is wrong with it, of a
 * port that is shut, what its last front end did. */
enum vh_lack vh_session_lack(const struct vh_session *s, const char **text);

#endif
