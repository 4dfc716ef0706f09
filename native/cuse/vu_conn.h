/* Internal to the link: what is said over it. Every failure takes it down; what is returned says why. */
#ifndef VH_CUSE_VU_CONN_H
#define VH_CUSE_VU_CONN_H

#include "vu_link.h"
#include "vu_message.h"

/* Bits of GET_PROTOCOL_FEATURES. */
#define VH_CUSE_PROTOCOL_MQ (1ULL << 0)
#define VH_CUSE_PROTOCOL_LOG_SHMFD (1ULL << 1)
#define VH_CUSE_PROTOCOL_REPLY_ACK (1ULL << 3)

/* Sends a message with n descriptors; waits for its answer (over *msg), or for the acknowledgement of others.
 */
int vh_cuse_tell(struct vh_cuse_link *l, struct vh_cuse_msg *msg, const int *fds, uint32_t n, bool answered);
int vh_cuse_tell_u64(struct vh_cuse_link *l, uint32_t request, uint64_t value);
int vh_cuse_tell_state(struct vh_cuse_link *l, uint32_t request, uint32_t index, uint32_t num);
/* fd: -1 for none. */
int vh_cuse_tell_event(struct vh_cuse_link *l, uint32_t request, uint32_t index, int fd);
int vh_cuse_ask(struct vh_cuse_link *l, uint32_t request, uint64_t *value);

#endif
