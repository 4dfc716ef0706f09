/*
 * engine_main WORKERS SOCKET[,PAIRS]...
 *
 * The engine without Node: one port per socket. Lines on stdin ask: "counters PORT", "ports", "fds", "rss",
 * "drain", "remove PORT", "add SOCKET", "quit"; every answer is one line of JSON on stdout. Events are lines
 * on stderr. For tests that want the engine under sanitizers, with nothing else in the process.
 */
#include "../../dpdk/engine/engine.h"
#include "../../dpdk/runtime/events.h"
#include "../../dpdk/runtime/sigbus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <poll.h>

/* Descriptors that front ends do not get. */
#define KEPT 32

static int woken = -1;

static void wake(void *context)
{
	static const uint64_t one = 1;
	ssize_t ignored = write(woken, &one, sizeof(one));

	(void)context;
	(void)ignored;
}

static void print_events(void)
{
	static const char *const names[] = {
		"connected", "disconnected", "ready", "stopped", "learned", "moved", "refused", "log"};
	static struct vh_event events[64];
	uint64_t counter, lost;
	uint32_t n;

	if (read(woken, &counter, sizeof(counter)) < 0)
		return;
	while ((n = vh_events_take(events, 64, &lost)) > 0)
		for (uint32_t i = 0; i < n; i++)
			fprintf(stderr, "%s %u %s\n", names[events[i].type], events[i].port, events[i].text);
}

static void print_counters(uint16_t id)
{
	struct vh_port_info p;

	if (!vh_engine_port(id, &p)) {
		printf("{}\n");
		return;
	}
	printf("{\"connected\":%s,\"ready\":%s,\"tx\":%llu,\"rx\":%llu,\"interrupts\":%llu,\"drops\":{",
		p.connected ? "true" : "false", p.ready ? "true" : "false",
		(unsigned long long)p.counters.tx_packets, (unsigned long long)p.counters.rx_packets,
		(unsigned long long)p.counters.interrupts);
	for (unsigned int i = 0; i < VH_DROP_COUNT; i++)
		printf("%s\"%s\":%llu", i > 0 ? "," : "", vh_drop_name(i),
			(unsigned long long)p.counters.drops[i]);
	printf("}}\n");
}

static void print_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	printf("%d\n", n);
}

static void print_rss(void)
{
	unsigned long size = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%lu %lu", &size, &rss) != 2)
		rss = 0;
	if (f != NULL)
		fclose(f);
	printf("%lu\n", rss * 4);
}

/* PATH, or PATH,PAIRS. */
static int add(char *path)
{
	char *pairs = strchr(path, ',');
	char error[512], records[VH_MAX_SOCKET_PATH + 8];
	int id;

	if (pairs != NULL)
		*pairs++ = '\0';
	snprintf(records, sizeof(records), "%s.rings", path);
	id = vh_engine_add_port(&(struct vh_session_options){.name = path,
					.path = path,
					.records = records,
					.pairs = (uint16_t)(pairs == NULL ? 1 : atoi(pairs)),
					.mac_limit = VH_MAC_PER_PORT,
					.mergeable = true,
					.socket_mode = 0600,
					.socket_gid = -1},
		error, sizeof(error));
	if (id < 0)
		fprintf(stderr, "engine_main: %s\n", error);
	return id;
}

/* Return: whether to go on. */
static bool answer(char *line)
{
	char *argument = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "quit") == 0)
		return false;
	if (strncmp(line, "counters ", 9) == 0)
		print_counters((uint16_t)atoi(argument));
	else if (strncmp(line, "remove ", 7) == 0)
		printf("%d\n", vh_engine_remove_port((uint16_t)atoi(argument)));
	else if (strncmp(line, "add ", 4) == 0)
		printf("%d\n", add(argument + 1));
	else if (strcmp(line, "drain") == 0)
		printf("%d\n", (vh_engine_drain(), 0));
	else if (strcmp(line, "fds") == 0)
		print_fds();
	else if (strcmp(line, "rss") == 0)
		print_rss();
	else if (strcmp(line, "fixed") == 0)
		printf("%u\n", vh_sigbus_count());
	else
		printf("{}\n");
	fflush(stdout);
	return true;
}

static void serve(void)
{
	char line[300];

	/* poll() and fgets() agree as long as a line comes at a time. */
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd p[2] = {
			{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = woken, .events = POLLIN}};

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents != 0)
			print_events();
		if (p[0].revents != 0 && (fgets(line, sizeof(line), stdin) == NULL || !answer(line)))
			return;
	}
}

int main(int argc, char **argv)
{
	static const int anywhere[VH_MAX_WORKERS] = {-1, -1, -1, -1, -1, -1, -1, -1};
	struct vh_engine_options o = {.eal = {.memory_mb = 64, .log_level = 5},
		.retry_times = 4,
		.retry_delay_us = 15,
		.cpu = anywhere,
		.adaptive = true,
		.descriptors = (int)sysconf(_SC_OPEN_MAX) - KEPT};
	char error[512];

	if (argc < 3) {
		fprintf(stderr, "usage: engine_main WORKERS SOCKET...\n");
		return 2;
	}
	woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vh_events_init(wake, NULL) != 0)
		return 1;
	o.workers = (uint32_t)atoi(argv[1]);
	if (vh_engine_start(&o, error, sizeof(error)) != 0) {
		fprintf(stderr, "engine_main: %s\n", error);
		return 1;
	}
	for (int i = 2; i < argc; i++)
		if (add(argv[i]) < 0)
			return 1;
	printf("ready\n");
	fflush(stdout);
	serve();
	vh_engine_stop();
	vh_events_close();
	return 0;
}
