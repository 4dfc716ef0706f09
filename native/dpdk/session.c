#include "session.h"
#include "events.h"
#include "gate.h"
#include "rings.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <rte_vhost.h>

/* vhost-user protocol features (bits of GET_PROTOCOL_FEATURES). */
#define PROTOCOL_F_MQ 0
#define PROTOCOL_F_REPLY_ACK 3
#define F_PROTOCOL_FEATURES 30
#define MSG_NEED_REPLY (1U << 3)

/*
 * What is offered. GUEST_ANNOUNCE, CTRL_VQ and CTRL_RX are QEMU's own business, which it only offers to its
 * guest when the back end does not object. No offloads and no log: nothing that this code does not do.
 */
static uint64_t offered_features(uint16_t pairs)
{
	uint64_t f = VH_F_MRG_RXBUF | VH_F_INDIRECT_DESC | VH_F_EVENT_IDX | VH_F_VERSION_1;

	f |= 1ULL << F_PROTOCOL_FEATURES;
	f |= 1ULL << 27; /* VIRTIO_F_ANY_LAYOUT */
	f |= 1ULL << 17; /* VIRTIO_NET_F_CTRL_VQ */
	f |= 1ULL << 18; /* VIRTIO_NET_F_CTRL_RX */
	f |= 1ULL << 21; /* VIRTIO_NET_F_GUEST_ANNOUNCE */
	if (pairs > 1)
		f |= 1ULL << 22; /* VIRTIO_NET_F_MQ */
	return f;
}

static struct vh_session *session_of(int vid)
{
	char path[VH_MAX_SOCKET_PATH + 2];

	return rte_vhost_get_ifname(vid, path, sizeof(path)) == 0 ? vh_session_by_path(path) : NULL;
}

static enum rte_vhost_msg_result before_message(int vid, void *raw)
{
	struct vh_vhu_msg *msg = raw;
	struct vh_session *s = session_of(vid);
	const char *why = "the port is gone";
	enum vh_gate_verdict verdict =
		s == NULL ? VH_GATE_REFUSE : vh_gate_check(msg, 2U * s->port->pairs, &why);

	if (verdict == VH_GATE_REFUSE) {
		if (s != NULL)
			vh_events_say(VH_EVENT_REFUSED, s->port->id, "message %u (%s): %s", msg->request,
				vh_gate_name(msg->request), why);
		/* Without a reply pending, librte_vhost closes the connection. */
		msg->flags &= ~MSG_NEED_REPLY;
		return RTE_VHOST_MSG_RESULT_ERR;
	}
	if (msg->request == VH_VHU_GET_QUEUE_NUM) {
		/* The library would name its own limit, and the front end would set up rings that the port
		 * has not. */
		msg->u64 = s->port->pairs;
		msg->size = sizeof(msg->u64);
		return RTE_VHOST_MSG_RESULT_REPLY;
	}
	if (verdict == VH_GATE_QUIESCE) {
		pthread_mutex_lock(&s->lock);
		vh_rings_pause(s);
		pthread_mutex_unlock(&s->lock);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result after_message(int vid, void *raw)
{
	struct vh_session *s = session_of(vid);

	(void)raw;
	if (s != NULL) {
		pthread_mutex_lock(&s->lock);
		vh_rings_resume(s);
		pthread_mutex_unlock(&s->lock);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = before_message, .post_msg_handle = after_message};

static int on_connection(int vid)
{
	struct vh_session *s = session_of(vid);
	bool taken;

	if (s == NULL)
		return -1;
	pthread_mutex_lock(&s->lock);
	taken = s->vid >= 0;
	if (!taken)
		s->vid = vid;
	pthread_mutex_unlock(&s->lock);
	if (taken) {
		vh_events_say(VH_EVENT_REFUSED, s->port->id, "a second front end: the port has one already");
		return -1;
	}
	if (rte_vhost_extern_callback_register(vid, &message_ops, NULL) != 0)
		return -1;
	vh_events_push(VH_EVENT_CONNECTED, s->port->id, 0, "");
	return 0;
}

static void on_disconnection(int vid)
{
	struct vh_session *s = session_of(vid);

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->vid == vid) {
		vh_rings_pause(s);
		s->vid = -1;
		s->features = s->memory_bytes = 0;
		for (int i = 0; i < VH_MAX_RINGS; i++)
			s->ring[i].wanted = false;
	}
	pthread_mutex_unlock(&s->lock);
	vh_events_push(VH_EVENT_DISCONNECTED, s->port->id, 0, "");
}

static int on_device(int vid)
{
	struct vh_session *s = session_of(vid);

	if (s == NULL)
		return -1;
	pthread_mutex_lock(&s->lock);
	s->running = true;
	vh_rings_resume(s);
	pthread_mutex_unlock(&s->lock);
	vh_events_push(VH_EVENT_READY, s->port->id, 0, "");
	return 0;
}

static void on_device_gone(int vid)
{
	struct vh_session *s = session_of(vid);

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	vh_rings_pause(s);
	s->running = false;
	pthread_mutex_unlock(&s->lock);
	vh_events_push(VH_EVENT_STOPPED, s->port->id, 0, "");
}

static int on_ring(int vid, uint16_t ring, int enable)
{
	struct vh_session *s = session_of(vid);

	if (s == NULL || ring >= 2U * s->port->pairs)
		return -1;
	pthread_mutex_lock(&s->lock);
	vh_rings_pause(s);
	s->ring[ring].wanted = enable != 0;
	vh_rings_resume(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {.new_device = on_device,
	.destroy_device = on_device_gone,
	.vring_state_changed = on_ring,
	.new_connection = on_connection,
	.destroy_connection = on_disconnection};

/*
 * Whether the socket can be made where it shall be; tried with a socket of our own, because librte_vhost's
 * clean-up after a failed bind closes a descriptor twice and removes a file that it did not make.
 */
static int try_bind(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int result = 0, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		result = -errno;
	close(fd);
	if (result == 0 && unlink(path) != 0)
		result = -errno;
	return result;
}

/* Binds and listens with a umask that leaves the socket without any permission. */
static void *start_closed(void *arg)
{
	const struct vh_session *s = arg;

	/* The umask belongs to the process; a thread gets its own only this way. */
	if (unshare(CLONE_FS) != 0)
		return (void *)(intptr_t)-errno;
	umask(0777);
	return (void *)(intptr_t)(rte_vhost_driver_start(s->path) == 0 ? 0 : -EIO);
}

/* Nobody can connect before the socket has the owner and mode that were asked for. */
static int start(struct vh_session *s, const struct vh_session_options *o)
{
	pthread_t thread;
	void *result;
	int error = pthread_create(&thread, NULL, start_closed, s);

	if (error != 0)
		return -error;
	pthread_join(thread, &result);
	if (result != NULL)
		return (int)(intptr_t)result;
	if (o->socket_gid >= 0 && chown(s->path, (uid_t)-1, (gid_t)o->socket_gid) != 0)
		return -errno;
	return chmod(s->path, o->socket_mode) != 0 ? -errno : 0;
}

static int configure(const struct vh_session *s, const struct vh_session_options *o)
{
	uint64_t protocol = 1ULL << PROTOCOL_F_MQ | 1ULL << PROTOCOL_F_REPLY_ACK;

	if (rte_vhost_driver_set_features(s->path, offered_features(o->pairs)) != 0 ||
		rte_vhost_driver_set_protocol_features(s->path, protocol) != 0 ||
		rte_vhost_driver_callback_register(s->path, &device_ops) != 0)
		return -EIO;
	return 0;
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
	pthread_mutex_init(&s->lock, NULL);
	s->vid = -1;
	for (int i = 0; i < VH_MAX_RINGS; i++)
		s->ring[i].call_fd = s->ring[i].kick_fd = -1;
	if (rte_vhost_driver_register(s->path, 0) != 0) {
		pthread_mutex_destroy(&s->lock);
		snprintf(error, n, "%s: librte_vhost refuses the socket", s->path);
		return -EIO;
	}
	result = configure(s, o);
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
	rte_vhost_driver_unregister(s->path);
	pthread_mutex_destroy(&s->lock);
}
