#include "session.h"
#include "../runtime/events.h"
#include "rarp.h"
#include "../runtime/callfd_guard.h"
#include "../proxy/msg_filter.h"
#include "../uplink/guest_dma.h"
#include "../proxy/proxy.h"
#include "session_rings.h"
#include "../runtime/sigbus.h"
#include "../proxy/socket_file.h"
#include "fdset_wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <rte_vhost.h>

/* vhost-user protocol features (bits of GET_PROTOCOL_FEATURES). */
#define OFFERED_PROTOCOL                                                                                     \
	(VH_VHU_F_MQ | VH_VHU_F_LOG_SHMFD | VH_VHU_F_RARP | VH_VHU_F_REPLY_ACK | VH_VHU_F_BACKEND_REQ)
/* Front ends that wait while the relay serves one: what librte_vhost uses too. */
#define BACKLOG 128

/*
 * What is offered. GUEST_ANNOUNCE, CTRL_VQ and CTRL_RX are QEMU's own business, which it only offers to its
 * guest when the back end does not object. Offloads where the port shall have them; CTRL_GUEST_OFFLOADS
 * never, because the protocol does not tell us what the guest asks for later.
 */
static uint64_t offered_features(const struct vh_session_options *o)
{
	uint64_t f = VH_F_INDIRECT_DESC | VH_F_EVENT_IDX | VH_F_VERSION_1;

	f |= VH_F_RING_PACKED | VH_F_IN_ORDER;
	f |= VH_F_ACCESS_PLATFORM;
	f |= VH_F_PROTOCOL_FEATURES;
	f |= VH_F_LOG_ALL;
	f |= 1ULL << 27; /* VIRTIO_F_ANY_LAYOUT */
	f |= 1ULL << 17; /* VIRTIO_NET_F_CTRL_VQ */
	f |= 1ULL << 18; /* VIRTIO_NET_F_CTRL_RX */
	f |= 1ULL << 21; /* VIRTIO_NET_F_GUEST_ANNOUNCE */
	if (o->offloads)
		f |= VH_F_SENDER_OFFLOADS | VH_F_RECEIVER_OFFLOADS;
	if (o->mergeable)
		f |= VH_F_MRG_RXBUF;
	if (o->pairs > 1)
		f |= 1ULL << 22; /* VIRTIO_NET_F_MQ */
	return f;
}

static struct vh_session *session_of(int vid)
{
	char path[VH_MAX_SOCKET_PATH + 2];

	return rte_vhost_get_ifname(vid, path, sizeof(path)) == 0 ? vh_session_by_path(path) : NULL;
}

/* Without a reply pending, librte_vhost closes the connection. */
static enum rte_vhost_msg_result end_connection(struct vh_vhu_msg *msg)
{
	msg->flags &= ~VH_VHU_NEED_REPLY;
	return RTE_VHOST_MSG_RESULT_ERR;
}

/* Keeps workers off what the library is about to change. Under the lock. Return: whether it may go on. */
static bool prepare(struct vh_session *s, struct vh_vhu_msg *msg)
{
	bool noted;

	vh_rings_pause(s, vh_gate_ring(msg));
	if (msg->request == VH_VHU_SET_VRING_BASE)
		vh_rings_base(s, msg->state.index);
	if (msg->request == VH_VHU_GET_VRING_BASE)
		vh_rings_asked(s, msg->state.index);
	/* When the library fails it has no memory table left, and does not tell. */
	if (msg->request == VH_VHU_SET_MEM_TABLE || msg->request == VH_VHU_RESET_OWNER) {
		vh_sigbus_forget(s->port->id);
		vh_loan_close(s->port->id);
		s->mapped = false;
	}
	noted = vh_session_log_note(&s->log, s->port->id, msg);
	vh_session_iommu_note(&s->iommu, s->vid, msg);
	if (msg->request == VH_VHU_SEND_RARP)
		vh_announce(s->sw, s->port, msg->u64);
	return noted;
}

static enum rte_vhost_msg_result before_message(int vid, void *raw)
{
	struct vh_vhu_msg *msg = raw;
	struct vh_session *s = session_of(vid);
	bool noted = true, closing;

	if (s == NULL)
		return end_connection(msg);
	vh_sigbus_acting(s->port->id);
	if (msg->request == VH_VHU_GET_QUEUE_NUM) {
		/* The library would name its own limit, and the front end would set up rings that the port
		 * has not. */
		msg->u64 = s->port->pairs;
		msg->size = sizeof(msg->u64);
		return RTE_VHOST_MSG_RESULT_REPLY;
	}
	if (msg->request == VH_VHU_GET_FEATURES) {
		/* The library's own, and ACCESS_PLATFORM, of which it must know nothing. */
		msg->u64 = s->offered;
		msg->size = sizeof(msg->u64);
		return RTE_VHOST_MSG_RESULT_REPLY;
	}
	if (msg->request == VH_VHU_IOTLB_MSG) {
		pthread_mutex_lock(&s->lock);
		if (!s->closing)
			vh_rings_translated(s, &msg->iotlb);
		pthread_mutex_unlock(&s->lock);
		return RTE_VHOST_MSG_RESULT_OK;
	}
	if (vh_gate_quiesces(msg->request)) {
		pthread_mutex_lock(&s->lock);
		closing = s->closing;
		if (!closing)
			noted = prepare(s, msg);
		pthread_mutex_unlock(&s->lock);
		if (closing)
			return end_connection(msg);
	}
	if (msg->request == VH_VHU_SEND_RARP || msg->request == VH_VHU_SET_BACKEND_REQ_FD)
		return RTE_VHOST_MSG_RESULT_OK;
	if (msg->request != VH_VHU_SET_LOG_BASE)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (!noted)
		return end_connection(msg);
	/* Ours alone to answer; the protocol wants no payload. */
	msg->size = 0;
	return RTE_VHOST_MSG_RESULT_REPLY;
}

/* Only after messages on which the library acted without an error. */
static enum rte_vhost_msg_result after_message(int vid, void *raw)
{
	const struct vh_vhu_msg *msg = raw;
	struct vh_session *s = session_of(vid);

	if (s != NULL && vh_gate_quiesces(msg->request)) {
		pthread_mutex_lock(&s->lock);
		/* A message may be under way while the port is removed. */
		if (!s->closing) {
			if (msg->request == VH_VHU_SET_MEM_TABLE) {
				s->mapped = true;
				vh_session_iommu_memory(&s->iommu, s->vid);
			}
			vh_rings_note(s, msg);
			vh_rings_resume(s);
		}
		pthread_mutex_unlock(&s->lock);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = before_message, .post_msg_handle = after_message};

/* Lets go of everything of the front end, whose memory the library may unmap afterwards. Under the lock. */
static void part(struct vh_session *s)
{
	vh_rings_pause(s, VH_VHU_ALL_RINGS);
	vh_sigbus_forget(s->port->id);
	vh_loan_close(s->port->id);
	vh_rings_forget(s);
	s->vid = -1;
	s->mapped = false;
	vh_session_log_forget(&s->log, s->port->id);
	vh_session_iommu_forget(&s->iommu);
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		vh_records_set_placed(&s->records, i, false);
}

static void on_disconnection(int vid)
{
	struct vh_session *s = session_of(vid);

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	part(s);
	pthread_mutex_unlock(&s->lock);
	vh_events_push(VH_EVENT_DISCONNECTED, s->port->id, 0, "");
	/* Last: the next front end may come. */
	vh_relay_detached(s->port->id);
}

static int on_connection(int vid)
{
	struct vh_session *s = session_of(vid);
	bool closing;

	/* Nobody but the relay can reach the library's socket, and it makes one connection at a time. */
	if (s == NULL || !vh_relay_attached(s->port->id))
		return -1;
	vh_call_guard_welcome(s->port->id);
	pthread_mutex_lock(&s->lock);
	/* The port goes, and its number may be another's by the time that the event came. */
	closing = s->closing;
	if (!closing)
		s->vid = vid;
	pthread_mutex_unlock(&s->lock);
	if (closing)
		return -1;
	if (rte_vhost_extern_callback_register(vid, &message_ops, NULL) != 0) {
		on_disconnection(vid);
		return -1;
	}
	vh_events_push(VH_EVENT_CONNECTED, s->port->id, 0, "");
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {
	.new_connection = on_connection, .destroy_connection = on_disconnection};

/* Return: a socket with this name, or a negative errno. */
static int bind_at(const char *path, int flags)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/*
 * Whether the socket can be made where it shall be; tried with a socket of our own, because librte_vhost's
 * clean-up after a failed bind closes a descriptor twice and removes a file that it did not make. The first
 * one that can be made serves to wake the library.
 */
static int try_bind(const char *path)
{
	int fd = bind_at(path, 0);

	if (fd < 0)
		return fd;
	vh_wake_open(fd, path);
	close(fd);
	return unlink(path) != 0 ? -errno : 0;
}

/* What start_closed() is given and gives back. */
struct start {
	const char *path;
	int error;
	int library_fd; /* O_PATH of the library's socket, which has no name any more */
	int listen_fd;
};

/* Return: a listening socket, or a negative errno. */
static int listen_at(const char *path)
{
	int error, fd = bind_at(path, SOCK_NONBLOCK);

	if (fd < 0 || listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* Gives this thread a umask of its own that leaves files without any permission. Return: false with
 * st->error. */
static bool mask_all(struct start *st)
{
	/* The umask belongs to the process; a thread gets its own only this way. */
	if (unshare(CLONE_FS) != 0) {
		st->error = -errno;
		return false;
	}
	umask(0777);
	return true;
}

static void listen_by_name(struct start *st)
{
	st->listen_fd = listen_at(st->path);
	st->error = st->listen_fd < 0 ? st->listen_fd : 0;
}

/*
 * Lets the library listen, takes the name away from its socket and puts the relay's in its place, all with a
 * umask that leaves sockets without any permission. The library removes the name at its end, whosever it is.
 */
static void *start_closed(void *arg)
{
	struct start *st = arg;
	struct stat made;

	if (!mask_all(st))
		return NULL;
	if (rte_vhost_driver_start(st->path) != 0) {
		st->error = -EIO;
		return NULL;
	}
	vh_wake();
	st->library_fd = vh_socket_file_open(st->path, &made);
	if (st->library_fd < 0) {
		st->error = st->library_fd;
		return NULL;
	}
	if (unlink(st->path) != 0) {
		st->error = -errno;
		return NULL;
	}
	/* To connect, the relay needs a permission that root alone can do without. */
	st->error = vh_socket_file_give(st->library_fd, -1, 0600);
	if (st->error == 0)
		listen_by_name(st);
	return NULL;
}

/* As start_closed(), for a port that the library knows. */
static void *listen_closed(void *arg)
{
	struct start *st = arg;

	if (mask_all(st))
		listen_by_name(st);
	return NULL;
}

/*
 * Runs `work` on a thread of its own, and opens the socket that it made. Nobody can connect before that has
 * the owner and mode that were asked for.
 */
static int make_socket(struct vh_session *s, struct start *st, void *(*work)(void *))
{
	struct stat made;
	pthread_t thread;
	int fd, error = -pthread_create(&thread, NULL, work, st);

	if (error != 0)
		return error;
	pthread_join(thread, NULL);
	if (st->error != 0)
		return st->error;
	fd = vh_socket_file_open(s->path, &made);
	if (fd < 0)
		return fd;
	error = vh_socket_file_give(fd, s->socket_gid, s->socket_mode);
	close(fd);
	s->device = made.st_dev;
	s->inode = made.st_ino;
	return error;
}

static int start(struct vh_session *s, const struct vh_session_options *o)
{
	struct start st = {.path = s->path, .library_fd = -1, .listen_fd = -1};
	int error = make_socket(s, &st, start_closed);

	if (error != 0) {
		if (st.library_fd >= 0)
			close(st.library_fd);
		if (st.listen_fd >= 0)
			close(st.listen_fd);
		return error;
	}
	return vh_relay_open(&(struct vh_relay_options){.port = s->port->id,
		.rings = 2U * s->port->pairs,
		.features = s->offered,
		.protocol_features = OFFERED_PROTOCOL,
		.iotlb = s->iommu.iotlb,
		.records = &s->records,
		.owner = o->owner,
		.listen_fd = st.listen_fd,
		.library_fd = st.library_fd});
}

static int configure(const struct vh_session *s)
{
	if (rte_vhost_driver_set_features(s->path, s->offered & ~VH_F_ACCESS_PLATFORM) != 0 ||
		rte_vhost_driver_set_protocol_features(s->path, OFFERED_PROTOCOL) != 0 ||
		rte_vhost_driver_callback_register(s->path, &device_ops) != 0)
		return -EIO;
	return 0;
}

int vh_session_listen_again(struct vh_session *s)
{
	struct start st = {.path = s->path, .library_fd = -1, .listen_fd = -1};
	int error = make_socket(s, &st, listen_closed);

	if (error == 0)
		return vh_relay_listen(s->port->id, st.listen_fd);
	if (st.listen_fd >= 0)
		close(st.listen_fd);
	return error;
}

/*
 * librte_vhost removes the socket's name at its end, whatever has it by now. Somebody else's file gets a
 * second name for that long.
 */
static void forget_at_library(struct vh_session *s)
{
	char aside[VH_MAX_SOCKET_PATH + 8];
	struct stat named;
	bool foreign;

	snprintf(aside, sizeof(aside), "%s.kept", s->path);
	foreign = s->inode != 0 && lstat(s->path, &named) == 0 &&
		  (named.st_ino != s->inode || named.st_dev != s->device) && link(s->path, aside) == 0;
	rte_vhost_driver_unregister(s->path);
	if (foreign)
		(void)!rename(aside, s->path);
}

int vh_session_open(struct vh_session *s, const struct vh_session_options *o, char *error, size_t n)
{
	int result = try_bind(o->path);

	if (result != 0) {
		snprintf(error, n, "%s: the socket cannot be made: %s", o->path, strerror(-result));
		return result;
	}
	snprintf(s->name, sizeof(s->name), "%s", o->name);
	snprintf(s->path, sizeof(s->path), "%s", o->path);
	s->offered = offered_features(o);
	s->socket_mode = o->socket_mode;
	s->socket_gid = o->socket_gid;
	snprintf(s->records.path, sizeof(s->records.path), "%s", o->records);
	if (vh_session_iommu_init(&s->iommu, &s->mem, 2U * s->port->pairs) != 0) {
		snprintf(error, n, "%s: out of memory", s->path);
		return -ENOMEM;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->vid = -1;
	vh_call_guard_open(s->port->id);
	for (uint32_t i = 0; i < 2U * s->port->pairs; i++)
		s->ring[i].call_fd = s->ring[i].kick_fd = -1;
	if (rte_vhost_driver_register(s->path, 0) != 0) {
		pthread_mutex_destroy(&s->lock);
		vh_session_iommu_free(&s->iommu);
		snprintf(error, n, "%s: librte_vhost refuses the socket", s->path);
		return -EIO;
	}
	result = configure(s);
	if (result == 0)
		result = start(s, o);
	if (result != 0) {
		snprintf(error, n, "%s: the socket cannot be set up: %s", s->path, strerror(-result));
		vh_session_close(s);
	}
	return result;
}

void vh_session_close(struct vh_session *s)
{
	/* First, so that no new connection is made; the library's one is closed by the library. */
	bool awaited = vh_relay_close(s->port->id);

	/* The library unmaps the memory without a word: rte_vhost_driver_unregister() calls destroy_device
	 * only for a device that it takes for ready, and never destroy_connection. */
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	part(s);
	pthread_mutex_unlock(&s->lock);
	forget_at_library(s);
	vh_records_close(&s->records, awaited);
	pthread_mutex_destroy(&s->lock);
	vh_session_iommu_free(&s->iommu);
}
