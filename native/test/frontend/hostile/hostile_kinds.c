/* Descriptors of other kinds than they should be: some keep whoever writes to them waiting, or closes them.
 */
#include "hostile.h"
#include "../vu/slow_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Another front end is served at once: nothing of the switch waits. */
static void must_serve(const char *path, const char *what)
{
	struct guest g;

	if (!guest_make(&g, path, EVIL + 1, false, 256) || !guest_up(&g))
		hostile_fail(what, "the switch serves nobody any more");
	guest_free(&g);
}

/* Passes it where an eventfd belongs: that ends the connection, and nothing else. */
static void pass(const char *path, const char *other, uint32_t request, int fd)
{
	struct vu_msg m = {.request = request, .flags = VU_VERSION};
	struct guest g;
	char what[40];

	snprintf(what, sizeof(what), "kinds: message %u", request);
	if (request >= VU_SET_VRING_KICK && request <= VU_SET_VRING_ERR)
		m.size = 8;
	if (!guest_make(&g, path, EVIL, false, 256) || !guest_negotiate(&g) || !guest_share(&g, 1) ||
		!guest_place_ring(&g, GUEST_RX, 0))
		hostile_fail(what, "the port does not come up");
	if (!vu_send(g.sock, &m, &fd, 1) || !vu_closed(g.sock, 5000))
		hostile_fail(what, "the connection goes on");
	must_serve(other, what);
	guest_free(&g);
}

int hostile_kinds(int argc, char **argv)
{
	static const uint32_t requests[] = {
		VU_SET_VRING_CALL, VU_SET_VRING_KICK, VU_SET_VRING_ERR, VU_SET_LOG_FD};
	int pipes[2], sockets[2];

	(void)argc;
	if (pipe(pipes) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
		hostile_fail("kinds", "no descriptors");
	const int kinds[] = {
		pipes[1], sockets[0], timerfd_create(CLOCK_MONOTONIC, 0), memfd_create("kind", 0)};

	for (size_t r = 0; r < sizeof(requests) / sizeof(requests[0]); r++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			pass(argv[0], argv[1], requests[r], kinds[k]);
	return 0;
}

/* The same with a file that takes for ever to be closed; and with messages that are refused for another
 * reason. */
int hostile_closing(int argc, char **argv)
{
	static const uint32_t requests[] = {VU_SET_VRING_CALL, VU_SET_VRING_KICK, VU_SET_VRING_ERR,
		VU_SET_LOG_FD, VU_SET_OWNER, VU_SET_BACKEND_REQ_FD};
	struct slow_file slow;

	(void)argc;
	if (!slow_file_make(&slow)) {
		printf("skipped\n");
		return 0;
	}
	for (size_t r = 0; r < sizeof(requests) / sizeof(requests[0]); r++)
		pass(argv[0], argv[1], requests[r], slow.fd);
	slow_file_end(&slow);
	must_serve(argv[0], "closing");
	return 0;
}
