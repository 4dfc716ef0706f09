#include "eal.h"
#include "events.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

/* The first thing that EAL called wrong: its error codes alone explain nothing, and what follows is mere
 * noise. */
static char first_error[VH_EVENT_TEXT];

const char *vh_eal_first_error(void)
{
	return first_error;
}

void vh_eal_forget_errors(void)
{
	first_error[0] = '\0';
}

/* Stream behind rte_log(): whole lines to the event queue. Called by any of DPDK's threads, a message at a
 * time. */
static ssize_t log_write(void *cookie, const char *data, size_t size)
{
	char text[VH_EVENT_TEXT];
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	(void)cookie;
	memcpy(text, data, n);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	if (n > 0) {
		uint16_t level = (uint16_t)rte_log_cur_msg_loglevel();

		if (first_error[0] == '\0' && level <= RTE_LOG_ERR)
			memcpy(first_error, text, n + 1);
		vh_events_push(VH_EVENT_LOG, level, 0, text);
	}
	return (ssize_t)size;
}

static int open_log(unsigned int level)
{
	cookie_io_functions_t io = {.write = log_write};
	FILE *stream = fopencookie(NULL, "w", io);

	if (stream == NULL)
		return -1;
	setvbuf(stream, NULL, _IOLBF, 512);
	/* Before rte_eal_init(): its own default writes to the console and to syslog. */
	rte_log_set_global_level(level);
	return rte_openlog_stream(stream);
}

/* One lcore for EAL's bookkeeping, floating over the CPUs this process may use; workers are our own threads.
 */
static void lcores(char *out, size_t n, const cpu_set_t *allowed)
{
	size_t at = (size_t)snprintf(out, n, "0@(");
	const char *comma = "";

	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && at + 8 < n; cpu++) {
		if (CPU_ISSET(cpu, allowed)) {
			at += (size_t)snprintf(out + at, n - at, "%s%u", comma, cpu);
			comma = ",";
		}
	}
	snprintf(out + at, n - at, ")");
}

/* rte_eal_init() prints its usage on stdout when it dislikes an argument; stdout is the program's answer. */
static int init_quietly(int argc, char **argv)
{
	int result, saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	fflush(stdout);
	if (saved >= 0)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	result = rte_eal_init(argc, argv);
	fflush(stdout);
	if (saved >= 0) {
		dup2(saved, STDOUT_FILENO);
		close(saved);
	}
	return result;
}

/* Gives back the pages of one driver's library that only its start has read. */
static int release_code(struct dl_phdr_info *info, size_t size, void *ignored)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ignored;
	if (info->dlpi_name == NULL || strstr(info->dlpi_name, "/pmds-") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + h->p_vaddr) & ~(page - 1);
		uintptr_t to = info->dlpi_addr + h->p_vaddr + h->p_memsz;

		/* What can be written has been relocated; everything else is read from the file again. */
		if (h->p_type == PT_LOAD && (h->p_flags & PF_W) == 0)
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

/*
 * A list of allowed devices that allows none: EAL would take every card that is bound to a driver of user
 * space, also those that are a guest's. Uplinks are attached one by one, by name.
 */
#define NO_DEVICE "ffff:ff:1f.7"

int vh_eal_start(const struct vh_eal_options *o, char *error, size_t n)
{
	char cores[1024], memory[16], level[16], prefix[32], channels[16];
	char *argv[24] = {"vhost-host", "--no-telemetry", o->physical ? "--iova-mode=pa" : "--iova-mode=va",
		"--lcores", cores, "--log-level", level, "--file-prefix", prefix, "--allow", NO_DEVICE};
	int argc = 11, result;
	cpu_set_t before;

	if (pthread_getaffinity_np(pthread_self(), sizeof(before), &before) != 0 ||
		open_log(o->log_level) != 0) {
		snprintf(error, n, "cannot prepare the thread and log that EAL needs");
		return -1;
	}
	lcores(cores, sizeof(cores), &before);
	snprintf(prefix, sizeof(prefix), "vhost-host-%d", (int)getpid());
	snprintf(level, sizeof(level), "%u", o->log_level);
	/* Either way: no files on a hugetlbfs, no shared configuration, nothing that a killed process leaves
	 * behind. */
	if (o->hugepages) {
		argv[argc++] = "--in-memory";
	} else {
		snprintf(memory, sizeof(memory), "%u", o->memory_mb);
		argv[argc++] = "--no-huge";
		argv[argc++] = "--no-shconf";
		argv[argc++] = "-m";
		argv[argc++] = memory;
	}
	if (o->channels != 0) {
		snprintf(channels, sizeof(channels), "%u", o->channels);
		argv[argc++] = "-n";
		argv[argc++] = channels;
	}
	result = init_quietly(argc, argv);
	/* EAL makes a directory for shared files even where it has none; under our own prefix it is ours to
	 * remove. */
	rmdir(rte_eal_get_runtime_dir());
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	/* EAL loads every driver there is: some hundred, of which few are ever used. */
	dl_iterate_phdr(release_code, NULL);
	if (result < 0) {
		snprintf(error, n, "EAL did not start: %s%s%s", rte_strerror(rte_errno),
			first_error[0] != '\0' ? "; " : "", first_error);
		return -1;
	}
	return 0;
}
