/*
 * talk SOCKET FIFO [offloads]
 *
 * A guest that says what it is told: every line of the FIFO, a frame in hexadecimal, is sent; every frame
 * that comes is printed as such a line. It says "up" first, and ends when the switch does. With offloads a
 * frame's virtio header (its first ten bytes) stands in front of it.
 */
#include "guest.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 256
/* Of a frame that is sent: what the next buffers have is not in use, because frames are few. */
#define ROOM (8 * GUEST_BUFFER - GUEST_HEADER)
#define OFFLOAD_HEADER 10U

static struct guest me;
/* How much of the virtio header a line has. */
static uint32_t shown;

static void fail(const char *what)
{
	fprintf(stderr, "talk: %s\n", what);
	exit(1);
}

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Sends the frame that a line describes; the ring has room, because frames are few. */
static void say(const char *line)
{
	struct ring *r = &me.ring[GUEST_TX];
	uint32_t n = (uint32_t)strspn(line, "0123456789abcdefABCDEF") / 2, ignored;
	uint32_t at = GUEST_BUFFERS_AT + (SIZE + r->offered % SIZE) * GUEST_BUFFER, to;

	while (ring_reap(r, &ignored))
		;
	if (n <= shown || n - shown > ROOM || ring_busy(r) == SIZE)
		fail("no frame, or no room for it");
	memset(me.memory + at, 0, GUEST_HEADER);
	for (uint32_t i = 0; i < n; i++) {
		to = i < shown ? i : GUEST_HEADER + i - shown;
		me.memory[at + to] = (uint8_t)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
	}
	ring_put(r, guest_gpa(at), GUEST_HEADER + n - shown, false);
	guest_kick(&me, GUEST_TX);
}

/* Prints what has come. */
static void hear(void)
{
	struct ring *r = &me.ring[GUEST_RX];
	uint32_t len;

	for (;;) {
		uint32_t at = GUEST_BUFFERS_AT + r->reaped % SIZE * GUEST_BUFFER;

		if (!ring_reap(r, &len))
			break;
		for (uint32_t i = 0; i < shown; i++)
			printf("%02x", me.memory[at + i]);
		for (uint32_t i = GUEST_HEADER; i < len; i++)
			printf("%02x", me.memory[at + i]);
		putchar('\n');
		ring_put(r, guest_gpa(GUEST_BUFFERS_AT + r->offered % SIZE * GUEST_BUFFER), GUEST_BUFFER,
			true);
		guest_kick(&me, GUEST_RX);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char line[2 * (OFFLOAD_HEADER + ROOM) + 2];
	struct pollfd what[3];
	FILE *told;
	int fd;

	/* For reading and writing: there is always a writer, so it never ends. */
	fd = argc == 3 || (argc == 4 && strcmp(argv[3], "offloads") == 0)
		     ? open(argv[2], O_RDWR | O_CLOEXEC)
		     : -1;
	told = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (told == NULL)
		fail("usage: talk SOCKET FIFO [offloads]");
	setvbuf(told, NULL, _IONBF, 0);
	if (!guest_make(&me, argv[1], 1, false, SIZE))
		fail("no memory");
	if (argc == 4) {
		me.wishes = VU_F_OFFLOADS;
		shown = OFFLOAD_HEADER;
	}
	if (!guest_up(&me))
		fail("the guest does not come up");
	puts("up");
	what[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	what[1] = (struct pollfd){.fd = me.call[GUEST_RX], .events = POLLIN};
	what[2] = (struct pollfd){.fd = me.sock, .events = POLLRDHUP};
	while (what[2].revents == 0) {
		uint64_t ignored;

		hear();
		if (poll(what, 3, -1) < 0)
			fail("poll");
		if ((what[1].revents & POLLIN) != 0 && read(me.call[GUEST_RX], &ignored, sizeof(ignored)) < 0)
			fail("the eventfd of its receive ring");
		if ((what[0].revents & POLLIN) != 0 && fgets(line, sizeof(line), told) != NULL)
			say(line);
	}
	return 0;
}
