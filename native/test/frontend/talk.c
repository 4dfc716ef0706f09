/*
 * talk SOCKET FIFO [offloads|lazy]
 *
 * A guest that says what it is told: every line of the FIFO, a frame in hexadecimal, is sent, or "N*FRAME" so
 * often; every frame that comes is printed as such a line. It says "up" first, and ends when the switch does.
 * With offloads a frame's virtio header (its first ten bytes) stands in front of it. Its memory is all there
 * from the start, as a guest's that shall be lent to a card must be, or comes as it is used (lazy).
 */
#include "vu/guest.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 256
#define ROOM_MS 10000
/* Of a frame that is sent: what the next buffers have is not in use, because long frames are few. */
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

/* Waits until the ring has room, not for ever. */
static void wait_for_room(struct ring *r)
{
	uint32_t ignored;

	for (int ms = 0; ms < ROOM_MS; ms++) {
		while (ring_reap(r, &ignored))
			;
		if (ring_busy(r) < SIZE)
			return;
		usleep(1000);
	}
	fail("nothing of what it has sent comes back");
}

/* Sends the frame that is described, once. */
static void say_once(const char *line)
{
	struct ring *r = &me.ring[GUEST_TX];
	uint32_t n = (uint32_t)strspn(line, "0123456789abcdefABCDEF") / 2;
	uint32_t at = GUEST_BUFFERS_AT + (SIZE + r->offered % SIZE) * GUEST_BUFFER, to;

	wait_for_room(r);
	if (n <= shown || n - shown > ROOM)
		fail("no frame, or too long");
	memset(me.memory + at, 0, GUEST_HEADER);
	for (uint32_t i = 0; i < n; i++) {
		to = i < shown ? i : GUEST_HEADER + i - shown;
		me.memory[at + to] = (uint8_t)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
	}
	ring_put(r, guest_gpa(at), GUEST_HEADER + n - shown, false);
	guest_kick(&me, GUEST_TX);
}

/* Does what a line says. */
static void say(const char *line)
{
	const char *times = strchr(line, '*');

	for (long n = times == NULL ? 1 : strtol(line, NULL, 10); n > 0; n--)
		say_once(times == NULL ? line : times + 1);
}

/* Prints what has come. */
static void hear(void)
{
	struct ring *r = &me.ring[GUEST_RX];
	uint32_t len;

	for (;;) {
		uint32_t at;

		if (!ring_reap(r, &len))
			break;
		/* A card may fill its buffers in another order than they were offered. */
		at = GUEST_BUFFERS_AT + r->last % SIZE * GUEST_BUFFER;
		for (uint32_t i = 0; i < shown; i++)
			printf("%02x", me.memory[at + i]);
		for (uint32_t i = GUEST_HEADER; i < len; i++)
			printf("%02x", me.memory[at + i]);
		putchar('\n');
		ring_put_as(r, r->last, guest_gpa(at), GUEST_BUFFER, true);
		guest_kick(&me, GUEST_RX);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char line[2 * (OFFLOAD_HEADER + ROOM) + 16];
	const char *how = argc == 4 ? argv[3] : "";
	bool offloads = strcmp(how, "offloads") == 0, lazy = strcmp(how, "lazy") == 0;
	struct pollfd what[3];
	FILE *told;
	int fd;

	/* For reading and writing: there is always a writer, so it never ends. */
	fd = argc == 3 || offloads || lazy ? open(argv[2], O_RDWR | O_CLOEXEC) : -1;
	told = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (told == NULL)
		fail("usage: talk SOCKET FIFO [offloads|lazy]");
	setvbuf(told, NULL, _IONBF, 0);
	if (!guest_make(&me, argv[1], 1, false, SIZE) ||
		(!lazy && posix_fallocate(me.memory_fd, 0, GUEST_MEMORY) != 0))
		fail("no memory");
	if (offloads) {
		me.extra_features = VU_F_OFFLOADS;
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
