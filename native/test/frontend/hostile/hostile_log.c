/* Dirty logs that mean harm, or that mean nothing. */
#include "../vu/flow.h"
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_BYTES ((GUEST_GPA + GUEST_MEMORY) / 4096 / 8)

static struct guest g, partner;

static void must(bool ok, const char *attack, const char *what)
{
	if (!ok)
		hostile_fail(attack, what);
}

static int log_file(off_t size)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, size) == 0, "log", "no file");
	return fd;
}

static void send_base(uint64_t size, uint64_t offset, int fd, int n)
{
	struct vu_msg m = {.request = VU_SET_LOG_BASE, .flags = VU_VERSION, .size = 16};
	int fds[2] = {fd, fd};

	m.log.size = size;
	m.log.offset = offset;
	vu_send(g.sock, &m, fds, n);
}

/* A log with one thing wrong, in a file of its own. */
static void with_file(uint64_t size, uint64_t offset, off_t file, int n)
{
	int fd = log_file(file);

	send_base(size, offset, fd, n);
	close(fd);
}

static void without_descriptor(void)
{
	send_base(LOG_BYTES, 0, -1, 0);
}

static void two_descriptors(void)
{
	with_file(LOG_BYTES, 0, LOG_BYTES, 2);
}

static void empty(void)
{
	with_file(0, 0, LOG_BYTES, 1);
}

static void endless(void)
{
	with_file(~0ULL, 0, LOG_BYTES, 1);
}

static void wraps_round(void)
{
	with_file(LOG_BYTES, ~0ULL - LOG_BYTES + 2, LOG_BYTES, 1);
}

static void longer_than_its_file(void)
{
	with_file(LOG_BYTES, 1, LOG_BYTES, 1);
}

static void shorter_than_memory(void)
{
	with_file(LOG_BYTES - 1, 0, LOG_BYTES, 1);
}

static void read_only(void)
{
	char path[40];
	int fd = log_file(LOG_BYTES), again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	send_base(LOG_BYTES, 0, again, 1);
	close(again);
	close(fd);
}

static void a_pipe(void)
{
	int pipes[2];

	must(pipe(pipes) == 0, "log", "no pipe");
	send_base(LOG_BYTES, 0, pipes[1], 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void without_shmfd(void)
{
	vu_u64(g.sock, VU_SET_PROTOCOL_FEATURES, VU_P_MQ | VU_P_REPLY_ACK);
	with_file(LOG_BYTES, 0, LOG_BYTES, 1);
}

static void feature_without_shmfd(void)
{
	vu_u64(g.sock, VU_SET_PROTOCOL_FEATURES, VU_P_MQ | VU_P_REPLY_ACK);
	vu_u64(g.sock, VU_SET_FEATURES, g.features | VU_F_LOG_ALL);
}

static void rarp_without_feature(void)
{
	vu_u64(g.sock, VU_SET_PROTOCOL_FEATURES, VU_P_MQ | VU_P_REPLY_ACK);
	vu_u64(g.sock, VU_SEND_RARP, 0x020000000002ULL);
}

static const struct {
	const char *name;
	void (*act)(void);
} refused[] = {{"without_descriptor", without_descriptor}, {"two_descriptors", two_descriptors},
	{"empty", empty}, {"endless", endless}, {"wraps_round", wraps_round},
	{"longer_than_its_file", longer_than_its_file}, {"shorter_than_memory", shorter_than_memory},
	{"read_only", read_only}, {"a_pipe", a_pipe}, {"without_shmfd", without_shmfd},
	{"feature_without_shmfd", feature_without_shmfd}, {"rarp_without_feature", rarp_without_feature}};

static void up(const char *attack)
{
	must(guest_up(&g), attack, "the port does not come up");
	/* What an attack before has left. */
	while (guest_receive(&partner, 0) > 0)
		;
	g.expected = partner.sent;
	partner.expected = g.sent;
}

static void flow(const char *attack)
{
	must(flow_both(&g, &partner, 2), attack, "the switch does not take frames");
	must(flow_settle(&g, &partner) && flow_settle(&partner, &g), attack,
		"the switch does not take frames any more");
	must(g.wrong == NULL && partner.wrong == NULL, attack, "a frame is wrong");
}

/* Frames are not taken, however often the switch is asked something; nobody else waits. */
static void must_stand_still(const char *attack)
{
	guest_send(&g, partner.id, 100, 8);
	for (int i = 0; i < 50; i++)
		must(guest_begun(&g), attack, "the connection ends");
	must(ring_busy(&g.ring[GUEST_TX]) == 8, attack, "frames were taken without a log");
}

/* Logging without a log, and with one that does not hold the used ring, then with what was missing. */
static void missing_log(void)
{
	const char *attack = "missing log";
	int fd = log_file(LOG_BYTES);

	up(attack);
	must(guest_log_memory(&g, true), attack, "no acknowledgement");
	must_stand_still(attack);
	must(guest_log_base(&g, fd, LOG_BYTES, 0), attack, "the log was not taken");
	flow(attack);
	must(guest_log_ring(&g, GUEST_TX, true, LOG_BYTES * 8 * 4096 - 100), attack, "no acknowledgement");
	must_stand_still(attack);
	must(guest_log_ring(&g, GUEST_TX, true, 0), attack, "no acknowledgement");
	flow(attack);
	guest_down(&g);
	close(fd);
}

/* The log moves all the time; one that has gone is not written any more. */
static void moved_log(void)
{
	const char *attack = "moved log";
	int fd[2] = {log_file(LOG_BYTES), log_file(LOG_BYTES)};
	uint8_t *map[2],
		*was = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 2; i++)
		map[i] = mmap(NULL, LOG_BYTES, PROT_READ, MAP_SHARED, fd[i], 0);
	up(attack);
	must(guest_log_base(&g, fd[0], LOG_BYTES, 0) && guest_log_memory(&g, true), attack, "no log");
	for (int i = 1; i < 100; i++) {
		must(flow_both(&g, &partner, 1), attack, "the switch does not take frames");
		must(guest_log_base(&g, fd[i % 2], LOG_BYTES, 0), attack, "the log was not taken");
		memcpy(was, map[(i + 1) % 2], LOG_BYTES);
		flow(attack);
		must(memcmp(was, map[(i + 1) % 2], LOG_BYTES) == 0, attack, "a log that has gone is written");
	}
	must(was[LOG_BYTES - GUEST_MEMORY / 4096 / 8] != 0, attack, "nothing is logged");
	guest_down(&g);
	for (int i = 0; i < 2; i++) {
		munmap(map[i], LOG_BYTES);
		close(fd[i]);
	}
	munmap(was, LOG_BYTES);
}

/* The file ends before the log does. */
static void cut_log(void)
{
	int fd = log_file(LOG_BYTES);

	up("cut log");
	must(guest_log_base(&g, fd, LOG_BYTES, 0) && guest_log_memory(&g, true), "cut log", "no log");
	must(ftruncate(fd, 0) == 0, "cut log", "the file cannot be cut");
	guest_send(&g, partner.id, 100, 8);
	must(vu_closed(g.sock, 10000), "cut log", "the connection goes on without its log");
	guest_down(&g);
	close(fd);
}

/* What is called when something was logged; nothing here is. */
static void to_nobody(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct vu_msg m = {.request = VU_SET_LOG_FD, .flags = VU_VERSION};

	up("log descriptor");
	must(vu_send(g.sock, &m, &fd, 1) && guest_begun(&g), "log descriptor", "it was not taken");
	flow("log descriptor");
	guest_down(&g);
	close(fd);
}

int hostile_log(int argc, char **argv)
{
	(void)argc;
	if (!guest_make(&g, argv[0], EVIL, false, 256) ||
		!guest_make(&partner, argv[1], EVIL + 1, false, 256) || !guest_up(&partner))
		hostile_fail("log", "the partner does not come up");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		must(guest_negotiate(&g) && guest_share(&g, 1), refused[i].name, "no connection");
		refused[i].act();
		must(vu_closed(g.sock, 5000), refused[i].name, "the connection goes on");
		guest_down(&g);
	}
	missing_log();
	moved_log();
	cut_log();
	to_nobody();
	guest_free(&g);
	guest_free(&partner);
	return 0;
}
