#define FUSE_USE_VERSION 31
#include "device.h"
#include "client_process.h"
#include "dirty_log.h"
#include "host_ops.h"
#include "translate.h"

#include <cuse_lowlevel.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* How often a link is looked at that is down while a ring runs. */
#define RECONNECT_MS 50
/* No request of the kernel has this number: an answer to it goes nowhere. */
#define NOBODY 0xfffffffffffffffeULL

struct vh_cuse_device {
	struct vh_cuse_slot *slot;
	struct fuse_session *session;
	int fd, wake; /* wake: readable when the thread is to end */
	pthread_t thread;
	struct vh_cuse_real real;
	struct vh_cuse_world world;
	struct vh_cuse_link link;
	struct vh_cuse_client *leaving; /* answered, and not cleaned up yet */
};

static struct fuse_in_header *pending(struct vh_cuse_slot *slot)
{
	return (struct fuse_in_header *)slot->request;
}

static void do_init_done(void *self)
{
	struct vh_cuse_device *d = self;

	atomic_store(&d->slot->state, VH_CUSE_READY);
}

static void do_open(fuse_req_t req, struct fuse_file_info *fi)
{
	struct vh_cuse_device *d = fuse_req_userdata(req);
	uint64_t id = pending(d->slot)->unique;
	bool known = vh_cuse_client(&d->slot->port, id) != NULL;
	struct vh_cuse_client *c = vh_cuse_open(&d->slot->port, id);

	if (c == NULL) {
		d->world.say(&d->real, "an open is rejected: there are %u already", VH_CUSE_CLIENTS);
		fuse_reply_err(req, EBUSY);
		return;
	}
	if (!known)
		atomic_fetch_add(&d->slot->opens, 1);
	fi->fh = id;
	/* Interrupted: nobody will release it. */
	if (fuse_reply_open(req, fi) == -ENOENT)
		d->leaving = c;
}

static void do_release(fuse_req_t req, struct fuse_file_info *fi)
{
	struct vh_cuse_device *d = fuse_req_userdata(req);

	d->leaving = vh_cuse_client(&d->slot->port, fi->fh);
	fuse_reply_err(req, 0);
}

/* Has the kernel copy what the ioctl is about; what it reads has n bytes so far. */
static void fetch(fuse_req_t req, void *arg, const struct vh_cuse_shape *shape)
{
	struct iovec in = {.iov_base = arg, .iov_len = shape->in};
	struct iovec out = {.iov_base = arg, .iov_len = shape->out};

	fuse_reply_ioctl_retry(req, &in, shape->in > 0, &out, shape->out > 0);
}

static void do_ioctl(fuse_req_t req, int cmd, void *arg, struct fuse_file_info *fi, unsigned int flags,
	const void *in, size_t in_n, size_t out_n)
{
	struct vh_cuse_device *d = fuse_req_userdata(req);
	struct vh_cuse_client *c = vh_cuse_client(&d->slot->port, fi->fh);
	union vh_cuse_out out = {0};
	struct vh_cuse_shape shape;
	struct vh_cuse_caller who = {.uid = fuse_req_ctx(req)->uid};
	int error;

	(void)flags;
	if (c == NULL || !vh_cuse_shape((uint32_t)cmd, in, in_n, &shape)) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	if (in_n < shape.in || out_n < shape.out) {
		fetch(req, arg, &shape);
		return;
	}
	/* The kernel names the thread that calls, which is a virtual processor most of the time. */
	who.process = vh_cuse_proc_group("/proc", fuse_req_ctx(req)->pid);
	error = who.process < 0 ? who.process : vh_cuse_ioctl(&d->link, c, &who, (uint32_t)cmd, in, &out);
	if (error != 0)
		fuse_reply_err(req, -error);
	else
		fuse_reply_ioctl(req, 0, &out, shape.out);
}

static const struct cuse_lowlevel_ops ops = {
	.init_done = do_init_done, .open = do_open, .release = do_release, .ioctl = do_ioctl};

static struct fuse_session *new_session(struct vh_cuse_device *d)
{
	char name[VH_CUSE_NAME + 16], program[] = "vh-cuse", *argv[] = {program, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	const char *info[] = {name};
	struct cuse_info ci = {.dev_major = major(d->slot->number),
		.dev_minor = minor(d->slot->number),
		.dev_info_argc = 1,
		.dev_info_argv = info,
		.flags = CUSE_UNRESTRICTED_IOCTL};
	struct fuse_session *session;
	char mount[32];

	snprintf(name, sizeof(name), "DEVNAME=%s", d->slot->name);
	session = cuse_lowlevel_new(&args, &ci, &ops, d);
	snprintf(mount, sizeof(mount), "/dev/fd/%d", d->fd);
	if (session != NULL && fuse_session_mount(session, mount) != 0) {
		fuse_session_destroy(session);
		session = NULL;
	}
	return session;
}

static void process(struct vh_cuse_device *d, size_t n)
{
	struct fuse_buf buf = {.mem = d->slot->request, .size = n};

	fuse_session_process_buf(d->session, &buf);
	pending(d->slot)->len = 0;
	d->slot->tries = 0;
	if (d->leaving == NULL)
		return;
	vh_cuse_release(&d->link, d->leaving);
	d->leaving = NULL;
	atomic_fetch_sub(&d->slot->opens, 1);
}

/* libfuse answers nothing before it has seen CUSE_INIT, which the kernel sends but once: shows it another. */
static void show_init(struct vh_cuse_device *d)
{
	struct {
		struct fuse_in_header header;
		struct cuse_init_in init;
	} init = {.header = {.len = sizeof(init), .opcode = CUSE_INIT, .unique = NOBODY},
		.init = {.major = FUSE_KERNEL_VERSION,
			.minor = FUSE_KERNEL_MINOR_VERSION,
			.flags = CUSE_UNRESTRICTED_IOCTL}};
	struct fuse_buf buf = {.mem = &init, .size = sizeof(init)};

	fuse_session_process_buf(d->session, &buf);
}

/* Takes up what an earlier process left. */
static void resume(struct vh_cuse_device *d)
{
	struct fuse_in_header *request = pending(d->slot);

	if (atomic_load(&d->slot->state) == VH_CUSE_READY &&
		(request->len == 0 || request->opcode != CUSE_INIT))
		show_init(d);
	if (request->len == 0)
		return;
	if (d->slot->tries++ == 0) {
		process(d, request->len);
		return;
	}
	struct fuse_out_header failed = {.len = sizeof(failed), .error = -EIO, .unique = request->unique};

	d->world.say(&d->real, "a request (%u) ended the bridge twice and is given up", request->opcode);
	if (write(d->fd, &failed, sizeof(failed)) < 0)
		d->world.say(&d->real, "and nobody waits for it");
	request->len = 0;
	d->slot->tries = 0;
}

static void *serve(void *self)
{
	struct vh_cuse_device *d = self;

	resume(d);
	while (!fuse_session_exited(d->session)) {
		struct fuse_buf buf = {.mem = d->slot->request};
		bool reconnecting = d->link.socket < 0 && vh_cuse_link_wanted(&d->link);
		struct pollfd p[] = {{.fd = d->fd, .events = POLLIN}, {.fd = d->wake, .events = POLLIN},
			{.fd = d->link.socket, .events = POLLIN}};
		int n, log = vh_cuse_log_tick(&d->link);

		if (poll(p, 3, reconnecting ? RECONNECT_MS : log) < 0 && errno != EINTR)
			break;
		if (p[1].revents != 0)
			return NULL;
		if (d->link.socket >= 0 && p[2].revents != 0)
			vh_cuse_link_lost(&d->link);
		n = p[0].revents != 0 ? fuse_session_receive_buf(d->session, &buf) : 0;
		if (n > 0)
			process(d, (size_t)n);
		vh_cuse_link_reconnect(&d->link);
	}
	/* The kernel wants no such device, or no more. */
	atomic_store(&d->slot->state, VH_CUSE_ENDED);
	return NULL;
}

static void drop(struct vh_cuse_device *d)
{
	/* Closes fd as well. */
	if (d->session != NULL)
		fuse_session_destroy(d->session);
	else
		close(d->fd);
	if (d->wake >= 0)
		close(d->wake);
	free(d);
}

struct vh_cuse_device *vh_cuse_device_start(struct vh_cuse_slot *slot, int fd)
{
	struct vh_cuse_device *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		close(fd);
		return NULL;
	}
	d->slot = slot;
	d->fd = fd;
	d->real = (struct vh_cuse_real){.name = slot->name, .socket = slot->socket};
	d->world = vh_cuse_world(&d->real);
	vh_cuse_link_init(&d->link, &d->world, &slot->port);
	d->wake = eventfd(0, EFD_CLOEXEC);
	d->session = new_session(d);
	if (d->wake >= 0 && d->session != NULL && pthread_create(&d->thread, NULL, serve, d) == 0)
		return d;
	drop(d);
	return NULL;
}

void vh_cuse_device_stop(struct vh_cuse_device *d)
{
	const uint64_t one = 1;

	if (write(d->wake, &one, sizeof(one)) != sizeof(one))
		return;
	pthread_join(d->thread, NULL);
	vh_cuse_link_down(&d->link, NULL);
	vh_cuse_log_close(&d->link);
	drop(d);
}
