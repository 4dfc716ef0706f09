/*
 * The ioctls of linux/vhost.h, as QEMU's tap netdevs use them (see port.h for what they come to).
 *
 * A client is whatever process may open the device: it says anything, in any order. Numbers are checked
 * before they are used; what the kernel's vhost answers to a mistake is answered here too.
 */
#ifndef VH_CUSE_TRANSLATE_H
#define VH_CUSE_TRANSLATE_H

#include "vu_frontend.h"

/* What an ioctl reads and writes through its argument. */
struct vh_cuse_shape {
	uint32_t in, out;
};

/*
 * Return: whether there is such an ioctl. A table of memory has a size that its first bytes say: `head` is
 * what of the argument was read so far (head_n bytes), and shape->in grows once they are there.
 */
bool vh_cuse_shape(uint32_t command, const void *head, size_t head_n, struct vh_cuse_shape *shape);

/* Room for what any ioctl writes. */
union vh_cuse_out {
	uint64_t u64;
	struct vhost_vring_state state;
};

/* Who does an ioctl. */
struct vh_cuse_caller {
	pid_t process;
	uint32_t uid;
};

/*
 * Does one ioctl of a client. in: shape.in bytes; *out gets shape.out. Return: 0, or a negative
 * errno for the client.
 */
int vh_cuse_ioctl(struct vh_cuse_link *l, struct vh_cuse_client *c, const struct vh_cuse_caller *who,
	uint32_t command, const void *in, union vh_cuse_out *out);

/* An open of the device; id is not 0, and the same id comes again for an open that was seen before. Return:
 * NULL where there are too many. */
struct vh_cuse_client *vh_cuse_open(struct vh_cuse_port *p, uint64_t id);
/* Return: NULL where there is none of that id. */
struct vh_cuse_client *vh_cuse_client(struct vh_cuse_port *p, uint64_t id);
/* Its rings stop, and with the last of a guest's clients the link goes down. */
void vh_cuse_release(struct vh_cuse_link *l, struct vh_cuse_client *c);

#endif
