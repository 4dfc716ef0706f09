#include "sigbus.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As much as a process has addresses (x86-64 and arm64, without larger ones that are asked for). */
#define SPARE_BYTES (1LL << 48)
#define WHY "its memory file was cut short"

struct mapping {
	uintptr_t start, end; /* atomic; start 0: none */
};

/* librte_vhost's mappings of each port; behind them, those that are on loan to a card (guest_dma.h). */
#define OWN (VH_MAX_PORTS * VH_SIGBUS_MAPPINGS)
static struct mapping mappings[2 * OWN];
static struct {
	int32_t thread; /* librte_vhost's, or 0 */
	uint32_t port;
} acting;	       /* atomic */
static uint32_t count; /* atomic */
static struct sigaction before;
static bool installed;
static vh_disconnect_function end_connection;
/* A file with a page for each there can be, and none in it. */
static int spare = -1;
static bool spare_used; /* atomic */

/* Everything from here to handle() runs in the signal handler: system calls and atomics only. */

/*
 * Private pages are refused where the host promises no more memory than it has (vm.overcommit_memory=2) or
 * the process may have no more (RLIMIT_DATA). Those of a file are only counted once they are touched; at an
 * offset that no other mapping has, so that nobody finds another guest's.
 */
static bool replace(uintptr_t start, uintptr_t end)
{
	if (mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED)
		return true;
	__atomic_store_n(&spare_used, true, __ATOMIC_RELAXED);
	return mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE | MAP_FIXED, spare, (off_t)start) != MAP_FAILED;
}

/* Reader of /proc/self/maps that needs no memory. */
struct reader {
	int fd;
	ssize_t have, at;
	char buf[1024];
};

static int next_char(struct reader *r)
{
	if (r->at == r->have) {
		r->have = read(r->fd, r->buf, sizeof(r->buf));
		r->at = 0;
	}
	return r->have > 0 ? (unsigned char)r->buf[r->at++] : -1;
}

/* Reads a hexadecimal number and the character behind it. Return: that character, or -1. */
static int read_hex(struct reader *r, uintptr_t *value)
{
	int c;

	*value = 0;
	for (c = next_char(r); (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); c = next_char(r))
		*value = *value << 4 | (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	return c;
}

/* Finds the mapping that holds an address. Each line begins "start-end ". */
static bool find_mapping(uintptr_t address, uintptr_t *start, uintptr_t *end)
{
	struct reader r = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
	bool found = false;
	int c = 0;

	if (r.fd < 0)
		return false;
	while (!found && c >= 0) {
		if (read_hex(&r, start) != '-' || read_hex(&r, end) != ' ')
			break;
		found = address >= *start && address < *end;
		do
			c = next_char(&r);
		while (c >= 0 && c != '\n');
	}
	close(r.fd);
	return found;
}

static bool replace_registered(uintptr_t address)
{
	for (uint32_t i = 0; i < 2 * OWN; i++) {
		uintptr_t start = __atomic_load_n(&mappings[i].start, __ATOMIC_ACQUIRE);
		uintptr_t end = __atomic_load_n(&mappings[i].end, __ATOMIC_RELAXED);

		if (start == 0 || address < start || address >= end)
			continue;
		if (!replace(start, end))
			return false;
		end_connection((uint16_t)(i % OWN / VH_SIGBUS_MAPPINGS), WHY, 0);
		return true;
	}
	return false;
}

static bool replace_acting(uintptr_t address)
{
	uintptr_t start, end;

	if ((int32_t)syscall(SYS_gettid) != __atomic_load_n(&acting.thread, __ATOMIC_ACQUIRE) ||
		!find_mapping(address, &start, &end) || !replace(start, end))
		return false;
	end_connection((uint16_t)__atomic_load_n(&acting.port, __ATOMIC_RELAXED), WHY, 0);
	return true;
}

/* Does what would have been done without us: for the default, the fault is taken again and ends the process.
 */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	if ((before.sa_flags & SA_SIGINFO) != 0)
		before.sa_sigaction(signal, info, context);
	else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
		sigaction(SIGBUS, &before, NULL);
	else
		before.sa_handler(signal);
}

static void handle(int signal, siginfo_t *info, void *context)
{
	int error = errno;
	uintptr_t address = (uintptr_t)info->si_addr;

	/* BUS_ADRERR: behind the end of the file. BUS_MCEERR_AR: the page's hardware is broken. */
	if ((info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR) &&
		(replace_registered(address) || replace_acting(address)))
		__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
	else
		pass_on(signal, info, context);
	errno = error;
}

int vh_sigbus_start(vh_disconnect_function disconnect)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	if (spare < 0) {
		spare = memfd_create("vhost-host-spare", MFD_CLOEXEC);
		if (spare < 0 || ftruncate(spare, SPARE_BYTES) != 0)
			return -errno;
	}
	end_connection = disconnect;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &before) != 0)
		return -errno;
	installed = true;
	return 0;
}

void vh_sigbus_stop(void)
{
	struct sigaction now;

	/* Somebody who has come after us passes on to us: then it stays, with nothing registered. */
	if (installed && sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
		now.sa_sigaction == handle)
		sigaction(SIGBUS, &before, NULL);
	installed = false;
	__atomic_store_n(&acting.thread, 0, __ATOMIC_RELEASE);
}

static void set(struct mapping *m, void *start, size_t size)
{
	uintptr_t old = __atomic_exchange_n(&m->start, 0, __ATOMIC_ACQ_REL);

	if (old != 0 && __atomic_load_n(&spare_used, __ATOMIC_RELAXED))
		(void)fallocate(
			spare, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)old, (off_t)(m->end - old));
	if (size == 0)
		return;
	__atomic_store_n(&m->end, (uintptr_t)start + size, __ATOMIC_RELAXED);
	__atomic_store_n(&m->start, (uintptr_t)start, __ATOMIC_RELEASE);
}

void vh_sigbus_region(uint16_t port, uint32_t i, void *start, size_t size)
{
	set(&mappings[port * VH_SIGBUS_MAPPINGS + i], start, size);
}

void vh_sigbus_loan(uint16_t port, uint32_t i, void *start, size_t size)
{
	set(&mappings[OWN + (uint32_t)port * VH_SIGBUS_MAPPINGS + i], start, size);
}

void vh_sigbus_forget(uint16_t port)
{
	for (uint32_t i = 0; i < VH_MAX_REGIONS; i++)
		vh_sigbus_region(port, i, NULL, 0);
}

void vh_sigbus_acting(uint16_t port)
{
	__atomic_store_n(&acting.port, port, __ATOMIC_RELAXED);
	__atomic_store_n(&acting.thread, (int32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

uint32_t vh_sigbus_count(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}
