#include "supervisor.h"
#include "../bridge.h"
#include "../devnode.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The kernel makes the device and devtmpfs its node within this time. */
#define NODE_MS 5000
/* A bridge obeys within this time: more than a device's thread ever waits for the switch. */
#define OBEY_SECONDS 10
/* A bridge that ends sooner after its start than this is followed a little later, not at once. */
#define SHORT_LIFE_MS 1000

static char why_text[256];

static const char *why(const char *what, const char *name, const char *reason)
{
	snprintf(why_text, sizeof(why_text), "%s%s: %s", what, name, reason);
	return why_text;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* Return: whether the bridge did it. */
static bool order(struct vh_cuse_supervisor *s, const struct vh_cuse_order *o, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec v = {.iov_base = (void *)o, .iov_len = sizeof(*o)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	char failed = 1;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int));
	}
	/* A bridge that ends meanwhile ends the line; one that hangs in some device is of no use to the
	 * others. */
	if (sendmsg(s->line, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*o) && recv(s->line, &failed, 1, 0) == 1)
		return failed == 0;
	if (s->bridge > 0)
		kill(s->bridge, SIGKILL);
	return false;
}

static _Noreturn void become_bridge(struct vh_cuse_supervisor *s, int line, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "vh-cuse-bridge");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The devices come over the line, so that a device that is removed is not held by what was inherited.
	 */
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	vh_cuse_bridge(s->slots, line);
}

static int start_bridge(struct vh_cuse_supervisor *s)
{
	const struct timeval patience = {.tv_sec = OBEY_SECONDS};
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	s->bridge = fork();
	if (s->bridge == 0) {
		close(ends[0]);
		become_bridge(s, ends[1], parent);
	}
	close(ends[1]);
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	s->line = ends[0];
	s->born = now_ms();
	return s->bridge < 0 ? -errno : 0;
}

int vh_cuse_supervisor_start(struct vh_cuse_supervisor *s)
{
	void *memory = mmap(NULL, sizeof(struct vh_cuse_slots), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*s = (struct vh_cuse_supervisor){.slots = memory, .line = -1};
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		s->fd[i] = -1;
	return start_bridge(s);
}

int vh_cuse_supervisor_revive(struct vh_cuse_supervisor *s)
{
	int status = 0, error;

	waitpid(s->bridge, &status, 0);
	close(s->line);
	fprintf(stderr, "the cuse bridge ended (%s %d), another goes on\n",
		WIFSIGNALED(status) ? "signal" : "code",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (now_ms() - s->born < SHORT_LIFE_MS)
		pause_ms(SHORT_LIFE_MS / 4);
	error = start_bridge(s);
	for (uint32_t i = 0; error == 0 && i < VH_CUSE_DEVICES; i++)
		if (s->fd[i] >= 0)
			order(s, &(struct vh_cuse_order){VH_CUSE_START, i}, s->fd[i]);
	return error;
}

static struct vh_cuse_slot *slot_of(struct vh_cuse_supervisor *s, const char *name)
{
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		if (s->fd[i] >= 0 && strcmp(s->slots->slot[i].name, name) == 0)
			return &s->slots->slot[i];
	return NULL;
}

static void drop(struct vh_cuse_supervisor *s, uint32_t i)
{
	struct vh_cuse_slot *slot = &s->slots->slot[i];

	order(s, &(struct vh_cuse_order){VH_CUSE_STOP, i}, -1);
	close(s->fd[i]);
	s->fd[i] = -1;
	/* Gives back what the last request took; the slot begins anew from zeroes. */
	madvise(slot, sizeof(*slot), MADV_REMOVE);
	memset(slot, 0, offsetof(struct vh_cuse_slot, request) + 64);
}

/* Waits until there is a node, and opens it to whom it is for. */
static const char *await_node(struct vh_cuse_slot *slot, const struct vh_cuse_spec *w)
{
	uint64_t end = now_ms() + NODE_MS;
	int node = -1, error;

	while (now_ms() < end && atomic_load(&slot->state) != VH_CUSE_ENDED) {
		if (atomic_load(&slot->state) == VH_CUSE_READY && (node = vh_cuse_node_find(w->name)) >= 0)
			break;
		pause_ms(5);
	}
	if (node < 0)
		return why("/dev/", w->name,
			atomic_load(&slot->state) == VH_CUSE_ENDED
				? "the kernel makes no more such devices"
				: "the kernel made the device, but no node in /dev");
	slot->number = vh_cuse_node_number(w->name);
	error = vh_cuse_node_open_to(node, w->uid, w->gid, w->mode);
	close(node);
	return error == 0 ? NULL : why("owner and mode of /dev/", w->name, strerror(-error));
}

static dev_t next_number(const struct vh_cuse_supervisor *s)
{
	dev_t taken[VH_CUSE_DEVICES];

	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		taken[i] = s->fd[i] >= 0 ? s->slots->slot[i].number : 0;
	return vh_cuse_node_next(taken, VH_CUSE_DEVICES);
}

static const char *make(struct vh_cuse_supervisor *s, uint32_t i, const struct vh_cuse_spec *w)
{
	struct vh_cuse_slot *slot = &s->slots->slot[i];
	const char *trouble = NULL;
	int fd = open("/dev/cuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return why("/dev/cuse", "",
			errno == ENOENT ? "it is not there (modprobe cuse)" : strerror(errno));
	if (vh_cuse_node_number(w->name) != 0) {
		close(fd);
		return why("/dev/", w->name, "the name is taken by another device");
	}
	strcpy(slot->name, w->name);
	strcpy(slot->socket, w->socket);
	slot->number = next_number(s);
	atomic_store(&slot->state, VH_CUSE_NEW);
	s->fd[i] = fd;
	if (!order(s, &(struct vh_cuse_order){VH_CUSE_START, i}, fd))
		trouble = why("/dev/", w->name, "the bridge cannot serve it");
	if (trouble == NULL)
		trouble = await_node(slot, w);
	if (trouble != NULL)
		drop(s, i);
	return trouble;
}

const char *vh_cuse_supervisor_add(struct vh_cuse_supervisor *s, const struct vh_cuse_spec *w)
{
	struct vh_cuse_slot *old = slot_of(s, w->name);

	s->retiring = false;
	if (old != NULL && strcmp(old->socket, w->socket) != 0)
		return why("/dev/", w->name, "a guest of another port still has it open");
	if (old != NULL) {
		old->retiring = false;
		return await_node(old, w);
	}
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		if (s->fd[i] < 0)
			return make(s, i, w);
	return why("/dev/", w->name, "there are 256 devices already, and there can be no more");
}
_Static_assert(VH_CUSE_DEVICES == 256, "as the line above says");

const char *vh_cuse_supervisor_remove(struct vh_cuse_supervisor *s, const char *name)
{
	struct vh_cuse_slot *slot = slot_of(s, name);

	/* One that is not there, as after this process was killed and another started, needs nothing. */
	if (slot == NULL)
		return NULL;
	slot->retiring = true;
	vh_cuse_supervisor_sweep(s);
	return NULL;
}

void vh_cuse_supervisor_retire(struct vh_cuse_supervisor *s)
{
	s->retiring = true;
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		s->slots->slot[i].retiring = s->fd[i] >= 0;
	vh_cuse_supervisor_sweep(s);
}

bool vh_cuse_supervisor_sweep(struct vh_cuse_supervisor *s)
{
	bool waiting = false;

	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++) {
		if (s->fd[i] < 0 || !s->slots->slot[i].retiring)
			continue;
		if (atomic_load(&s->slots->slot[i].opens) == 0)
			drop(s, i);
		else
			waiting = true;
	}
	return waiting;
}

bool vh_cuse_supervisor_done(const struct vh_cuse_supervisor *s)
{
	for (uint32_t i = 0; i < VH_CUSE_DEVICES; i++)
		if (s->fd[i] >= 0)
			return false;
	return s->retiring;
}
