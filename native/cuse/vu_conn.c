#include "vu_conn.h"

#include <errno.h>
#include <string.h>

int vh_cuse_tell(struct vh_cuse_link *l, struct vh_cuse_msg *msg, const int *fds, uint32_t n, bool answered)
{
	bool acknowledged = !answered && (l->port->protocol & VH_CUSE_PROTOCOL_REPLY_ACK) != 0;
	uint32_t request = msg->request;
	int error;

	msg->flags = acknowledged ? VH_CUSE_NEED_REPLY : 0;
	error = vh_cuse_wire_send(l->socket, msg, fds, n);
	if (error == 0 && (answered || acknowledged))
		error = vh_cuse_wire_answer(l->socket, msg, request);
	if (error == 0 && acknowledged && msg->u64 != 0)
		error = -EPROTO;
	if (error != 0)
		vh_cuse_link_down(l, strerror(-error));
	return error;
}

int vh_cuse_tell_u64(struct vh_cuse_link *l, uint32_t request, uint64_t value)
{
	struct vh_cuse_msg m = {.request = request, .size = sizeof(m.u64), .u64 = value};

	return vh_cuse_tell(l, &m, NULL, 0, false);
}

int vh_cuse_tell_state(struct vh_cuse_link *l, uint32_t request, uint32_t index, uint32_t num)
{
	struct vh_cuse_msg m = {.request = request, .size = sizeof(m.state), .state = {index, num}};

	return vh_cuse_tell(l, &m, NULL, 0, false);
}

int vh_cuse_tell_event(struct vh_cuse_link *l, uint32_t request, uint32_t index, int fd)
{
	struct vh_cuse_msg m = {.request = request, .size = sizeof(m.u64), .u64 = index};

	if (fd < 0)
		m.u64 |= VH_CUSE_NO_FD;
	return vh_cuse_tell(l, &m, &fd, fd < 0 ? 0 : 1, false);
}

int vh_cuse_ask(struct vh_cuse_link *l, uint32_t request, uint64_t *value)
{
	struct vh_cuse_msg m = {.request = request};
	int error = vh_cuse_tell(l, &m, NULL, 0, true);

	if (error == 0)
		*value = m.u64;
	return error;
}
