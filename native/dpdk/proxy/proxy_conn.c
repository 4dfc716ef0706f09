#include "proxy_conn.h"
#include "../runtime/events.h"
#include "foreign_fd.h"
#include "peer_cred.h"
#include "../../base/clock.h"
#include "../../virtio/memory/iotlb.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Messages of one port in a row, before the others get their turn. */
#define TURN 16
/* A front end that wants more queues than it hears of leaves at once. */
#define AT_ONCE_MS 1000
/* Descriptors that one message may lead to: librte_vhost's copies, and duplicates of two eventfds. */
#define ROOM (VH_VHU_MAX_FDS + 2)
/* Refusals said per second and at once; the rest is counted. */
#define SAID 2
#define SAID_BURST 16

static const char no_descriptors[] =
	"no descriptor is left for it: the limit of open files is too low (ulimit -n, LimitNOFILE=)";

static struct bucket bucket(uint32_t per_second, uint32_t room)
{
	return (struct bucket){
		.per_second = per_second, .room = room, .left = 1000LL * room, .at = vh_now_ms()};
}

/* Whether one more may pass now. */
static bool has_token(struct bucket *b, uint64_t now)
{
	if (now > b->at)
		b->left += (int64_t)((now - b->at) * b->per_second);
	if (b->left > 1000LL * b->room)
		b->left = 1000LL * b->room;
	b->at = now;
	return b->left >= 1000;
}

static void watch(struct relay *r, enum end end, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = (uint64_t)r->port << 2 | end};

	if (fd >= 0 && r->interest[end] != events && epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0)
		r->interest[end] = events;
}

static int watch_new(struct relay *r, enum end end, int fd)
{
	struct epoll_event e = {.events = 0, .data.u64 = (uint64_t)r->port << 2 | end};

	r->interest[end] = 0;
	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

void vh_relay_port_rearm(struct relay *r)
{
	uint64_t now = vh_now_ms();
	bool waits = r->request_due || r->reply_due || r->answer_due;
	uint32_t front = waits || !has_token(&r->messages, now) ? 0 : EPOLLIN | EPOLLRDHUP;
	bool welcome = r->state != ENDING && now >= r->shut_until && has_token(&r->connections, now);

	watch(r, LISTEN, r->listen_fd, welcome ? EPOLLIN : 0);
	watch(r, FRONT, r->front, front | (r->answer_due ? EPOLLOUT : 0));
	watch(r, BACK, r->back, EPOLLIN | (r->request_due ? EPOLLOUT : 0));
}

static void say(struct relay *r, const char *what, const char *why)
{
	char more[48] = "";

	if (!has_token(&r->said, vh_now_ms())) {
		r->unsaid++;
		return;
	}
	r->said.left -= 1000;
	if (r->unsaid > 0)
		snprintf(more, sizeof(more), " (and %llu refusals before)", (unsigned long long)r->unsaid);
	r->unsaid = 0;
	vh_events_say(VH_EVENT_REJECTED, r->port, "%s%s%s", what, why, more);
}

static void say_message(struct relay *r, const struct vh_vhu_msg *m, const char *why)
{
	char what[80];

	snprintf(what, sizeof(what), "message %u (%s): ", m->request, vh_gate_name(m->request));
	say(r, what, why);
}

/* ENDING ends when librte_vhost has closed its side and forgotten the device. */
static void settle(struct relay *r)
{
	if (r->state == ENDING && r->back < 0 && !r->attached)
		r->state = IDLE;
}

static void close_back(struct relay *r)
{
	if (r->back >= 0)
		close(r->back);
	r->back = -1;
}

static void drop_log(struct relay *r)
{
	if (r->log_fd >= 0)
		vh_foreign_close(r->port, r->log_fd);
	r->log_fd = -1;
}

static void drop_channel(struct relay *r)
{
	if (r->ask_fd >= 0)
		close(r->ask_fd);
	r->ask_fd = -1;
	r->question_due = false;
}

/* Takes the channel out of a request, as keep_log() the log. */
static void keep_channel(struct relay *r)
{
	drop_channel(r);
	r->ask_fd = r->request.fds[0];
	r->request.n_fds = 0;
}

/* Asks the front end for translations, as many as find room. */
static void ask(struct relay *r)
{
	int error = 0;

	while (r->ask_fd >= 0 && error == 0) {
		uint64_t iova;
		uint8_t access;

		if (!r->question_due) {
			if (!vh_iotlb_take_miss(r->iotlb, &iova, &access))
				return;
			r->question.msg = (struct vh_vhu_msg){.request = VH_VHU_BACKEND_IOTLB_MSG,
				.flags = VH_VHU_VERSION,
				.size = sizeof(r->question.msg.iotlb),
				.iotlb = {.iova = iova, .access = access, .type = VH_VHU_IOTLB_MISS}};
		}
		error = vh_mail_send(r->ask_fd, &r->question);
		r->question_due = error == -EAGAIN;
	}
	/* It does not want to be asked any more. */
	if (error != 0 && error != -EAGAIN)
		drop_channel(r);
}

/* Takes the dirty log out of a request: the message goes on alone, for the session to answer. */
static void keep_log(struct relay *r)
{
	drop_log(r);
	r->log_fd = r->request.fds[0];
	r->request.n_fds = 0;
}

/* Lets go of the front end; librte_vhost reads that its side has ended. */
static void end(struct relay *r)
{
	if (r->state != OPEN)
		return;
	close(r->front);
	r->front = -1;
	vh_mail_drop(&r->request);
	vh_mail_drop(&r->reply);
	drop_log(r);
	drop_channel(r);
	r->request_due = r->reply_due = r->answer_due = false;
	r->deadline = 0;
	r->state = ENDING;
	if (r->back >= 0)
		shutdown(r->back, SHUT_WR);
	settle(r);
}

/* The earliest deadline counts: bytes that dribble in win no time. */
static void set_deadline(struct relay *r, uint32_t ms, const char *late)
{
	uint64_t at = vh_now_ms() + ms;

	if (r->deadline != 0 && r->deadline <= at)
		return;
	r->deadline = at;
	r->late = late;
}

/*
 * QEMU compares the number of queues with what it was asked for itself, and leaves without a word when that
 * is more: it would come back once a second for ever. Said once, until somebody goes on.
 */
static void say_too_many(struct relay *r)
{
	char what[64];

	if (!r->asked || r->gate.features_set || r->told_too_many || vh_now_ms() - r->begun > AT_ONCE_MS)
		return;
	r->told_too_many = true;
	snprintf(what, sizeof(what), "a front end that left when it heard of %u queue pair%s: ", r->rings / 2,
		r->rings == 2 ? "" : "s");
	say(r, what, "most likely its guest has more (ports add --queues)");
}

/* What the message takes of those that may come in a second, in thousandths. */
static int64_t price(uint32_t request)
{
	if (request == VH_VHU_SET_MEM_TABLE)
		return 1000 * VH_RELAY_TABLE_COSTS;
	return request == VH_VHU_IOTLB_MSG ? 1000 / VH_RELAY_IOTLB_SHARE : 1000;
}

/*
 * Whether what a message leads to, or a connection, would eat into what the process keeps for itself. The
 * number of a descriptor that has just come does not tell: it is free again once the message is handed on,
 * while librte_vhost's copy has a higher one. The kernel gives a higher one only where the lower ones are
 * taken; so it is asked whether the one is free that leaves room for a message's.
 */
static bool is_short(const struct relay *r)
{
	int least = r->descriptors > ROOM ? r->descriptors - ROOM : 0;
	int fd = fcntl(r->library_fd, F_DUPFD_CLOEXEC, least);

	if (fd < 0)
		return errno == EMFILE;
	close(fd);
	return fd > least;
}

/* Reads one message of the front end and asks the gate. Return: whether there is more to do. */
static bool take_request(struct relay *r)
{
	const char *why = NULL;

	if (!has_token(&r->messages, vh_now_ms()))
		return false;
	switch (vh_mail_read(r->front, &r->request, true, &why)) {
	case VH_MAIL_PARTIAL:
		if (r->request.have > 0 || r->request.n_fds > 0)
			set_deadline(r, VH_RELAY_MESSAGE_MS, "a message that does not end");
		return false;
	case VH_MAIL_ENDED:
		say_too_many(r);
		end(r);
		return false;
	case VH_MAIL_BAD:
		break;
	case VH_MAIL_WHOLE:
		r->asked |= r->request.msg.request == VH_VHU_GET_QUEUE_NUM;
		r->told_too_many &= r->request.msg.request != VH_VHU_SET_FEATURES;
		r->messages.left -= price(r->request.msg.request);
		r->deadline = 0;
		why = r->request.n_fds > 0 && is_short(r)
			      ? no_descriptors
			      : vh_gate_check(&r->gate, &r->request.msg, r->request.fds, r->request.n_fds);
		break;
	}
	if (why != NULL) {
		say_message(r, &r->request.msg, why);
		end(r);
		return false;
	}
	if (r->request.msg.request == VH_VHU_SET_LOG_BASE)
		keep_log(r);
	if (r->request.msg.request == VH_VHU_SET_BACKEND_REQ_FD)
		keep_channel(r);
	r->request_due = true;
	return true;
}

/* Hands the request on. Return: whether it went. */
static bool forward(struct relay *r)
{
	int error = vh_mail_send(r->back, &r->request);

	if (error == -EAGAIN)
		return false;
	if (error != 0) {
		end(r);
		return false;
	}
	memcpy(&r->last, &r->request.msg, VH_VHU_HEADER);
	r->reply_due = vh_gate_replies(&r->request.msg);
	r->request_due = false;
	vh_mail_drop(&r->request);
	return true;
}

/* Looks what librte_vhost has to say. Return: whether a whole reply came. */
static bool take_reply(struct relay *r)
{
	const char *why;

	switch (vh_mail_read(r->back, &r->reply, false, &why)) {
	case VH_MAIL_PARTIAL:
		return false;
	case VH_MAIL_WHOLE:
		if (!r->reply_due)
			break;
		r->reply_due = false;
		r->answer_due = true;
		return true;
	case VH_MAIL_ENDED:
	case VH_MAIL_BAD:
		break;
	}
	say_message(r, &r->last, "librte_vhost cannot act on it");
	close_back(r);
	end(r);
	return false;
}

/* Sends the reply to the front end. Return: whether it went. */
static bool answer(struct relay *r)
{
	int error = vh_mail_send(r->front, &r->reply);
	/* Acknowledgements say 0; after a failure the device is in no state to go on with. */
	bool failed = r->reply.msg.request == r->last.request && r->reply.msg.u64 != 0 &&
		      (r->last.flags & VH_VHU_NEED_REPLY) != 0 &&
		      !vh_gate_replies(&(struct vh_vhu_msg){.request = r->last.request});

	if (error == -EAGAIN) {
		set_deadline(r, VH_RELAY_SILENCE_MS, "a front end that does not take its replies");
		return false;
	}
	if (failed)
		say_message(r, &r->last, "librte_vhost cannot act on it");
	if (error != 0 || failed) {
		end(r);
		return false;
	}
	/* Afterwards, not before: if we are killed in between, the front end knows, or the record does. */
	if (r->reply.msg.request == VH_VHU_GET_VRING_BASE && r->reply.msg.state.index < r->rings)
		vh_records_told(r->records, r->reply.msg.state.index);
	r->deadline = 0;
	r->answer_due = false;
	vh_mail_drop(&r->reply);
	return true;
}

/* librte_vhost's last words. */
static void drain(struct relay *r)
{
	char scrap[256];
	ssize_t n = 1;

	for (int i = 0; r->back >= 0 && i < TURN && n > 0; i++)
		n = recv(r->back, scrap, sizeof(scrap), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_back(r);
	settle(r);
}

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * Does all that can be done without waiting, within the port's turn. What that takes is paid for as messages
 * are: whoever hangs thousands of watches on its socket makes every one of them dear.
 */
static void step(struct relay *r)
{
	uint64_t begin = cpu_us();
	bool more = true;

	for (int i = 0; i < TURN && more && r->state == OPEN; i++) {
		more = false;
		if (r->answer_due)
			more = answer(r);
		if (r->state == OPEN && !r->answer_due)
			more |= take_reply(r);
		if (r->state == OPEN && r->request_due)
			more |= forward(r);
		else if (r->state == OPEN && !r->reply_due && !r->answer_due)
			more |= take_request(r);
	}
	if (r->state == ENDING)
		drain(r);
	r->messages.left -= (int64_t)(cpu_us() - begin) * VH_RELAY_US_COSTS;
}

static bool out_of_files(int error)
{
	return error == EMFILE || error == ENFILE;
}

static void begin(struct relay *r, int front)
{
	int back = vh_mail_connect(r->library_fd);

	r->request = r->reply = (struct vh_mail){.port = r->port};
	r->request_due = r->reply_due = r->answer_due = false;
	r->last = (struct vh_vhu_msg){0};
	if (back < 0 || watch_new(r, FRONT, front) != 0 || watch_new(r, BACK, back) != 0) {
		say(r, "a front end: ",
			out_of_files(-back) ? no_descriptors : "no connection to librte_vhost");
		close(front);
		if (back >= 0)
			close(back);
		/* Not again at once: most likely there is no descriptor left. */
		r->shut_until = vh_now_ms() + 100;
		return;
	}
	vh_gate_open(&r->gate, r->rings, r->features, r->protocol_features);
	r->front = front;
	r->back = back;
	r->peer = vh_peer_of(front);
	vh_records_connected(r->records, r->peer);
	r->state = OPEN;
	r->shut_why = NULL;
	r->begun = vh_now_ms();
	r->asked = false;
	r->deadline = 0;
	set_deadline(r, VH_RELAY_SILENCE_MS, "a front end that says nothing");
}

/* Whether the front end has gone, though not everything of it was read. */
static bool has_left(const struct relay *r)
{
	struct pollfd p = {.fd = r->front, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1;
}

/* Somebody knocks. */
static void welcome(struct relay *r)
{
	uint64_t now = vh_now_ms();
	char why[VH_MAX_OWNER_WHY];
	int fd;

	if (r->state == OPEN && has_left(r))
		end(r);
	if (r->state == ENDING || now < r->shut_until || !has_token(&r->connections, now))
		return;
	if (vh_foreign_is_full(r->port)) {
		r->shut_until = now + 100;
		return;
	}
	fd = accept4(r->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		int error = errno;

		if (out_of_files(error))
			say(r, "a front end: ", no_descriptors);
		if (error != EAGAIN && error != ECONNABORTED)
			r->shut_until = now + 100;
		return;
	}
	r->connections.left -= 1000;
	if (is_short(r)) {
		say(r, "a front end: ", no_descriptors);
		close(fd);
		return;
	}
	if (!vh_owner_admits(&r->owner, fd, why, sizeof(why))) {
		say(r, "a front end: ", why);
		close(fd);
		return;
	}
	if (r->state == IDLE) {
		begin(r, fd);
		return;
	}
	say(r, "a second front end: ", "the port has one already");
	close(fd);
}

void vh_relay_port_event(struct relay *r, enum end which, uint32_t events)
{
	bool hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;

	if (which == LISTEN)
		welcome(r);
	else if (which == FRONT && hung_up && (events & EPOLLIN) == 0)
		end(r); /* gone while it should wait for a reply */
	else if (which == BACK && hung_up && r->answer_due)
		end(r); /* librte_vhost is gone; the front end does not take its last words */
	step(r);
	vh_relay_port_rearm(r);
}

void vh_relay_port_condemn(struct relay *r, const char *why, uint32_t shut_ms)
{
	if (r->state != OPEN)
		return;
	say(r, "", why);
	r->shut_until = vh_now_ms() + shut_ms;
	r->shut_why = shut_ms > 0 ? why : NULL;
	end(r);
	step(r);
	vh_relay_port_rearm(r);
}

void vh_relay_port_detached(struct relay *r)
{
	r->attached = false;
	step(r);
	settle(r);
	vh_relay_port_rearm(r);
}

/* Whether anything but a descriptor can make the relay act. */
static bool has_timer(const struct relay *r)
{
	return r->deadline != 0 || r->shut_until != 0 || r->messages.left < 1000 ||
	       r->connections.left < 1000 || r->question_due;
}

int vh_relay_port_time(struct relay *r, int timeout)
{
	uint64_t now = vh_now_ms();

	ask(r);
	if (!has_timer(r))
		return timeout;
	if (r->deadline != 0 && now >= r->deadline) {
		say(r, "", r->late);
		end(r);
	}
	step(r);
	vh_relay_port_rearm(r);
	if (r->deadline != 0 && r->deadline - now < (uint64_t)timeout)
		timeout = (int)(r->deadline - now) + 1;
	if (r->shut_until <= now)
		r->shut_until = 0;
	else if (r->shut_until - now < (uint64_t)timeout)
		timeout = (int)(r->shut_until - now) + 1;
	/* Waits for tokens, of which one comes every few milliseconds, or for room for a question. */
	if ((r->messages.left < 1000 || r->connections.left < 1000 || r->question_due) && timeout > 5)
		timeout = 5;
	return timeout;
}

int vh_relay_port_listen(struct relay *r, int listen_fd)
{
	uint32_t interest = r->interest[LISTEN];
	int error = watch_new(r, LISTEN, listen_fd);

	if (error != 0) {
		r->interest[LISTEN] = interest;
		return error;
	}
	close(r->listen_fd);
	r->listen_fd = listen_fd;
	vh_relay_port_rearm(r);
	return 0;
}

int vh_relay_port_init(struct relay *r, const struct vh_relay_options *o, int epoll_fd, int descriptors)
{
	*r = (struct relay){.epoll_fd = epoll_fd,
		.descriptors = descriptors,
		.port = o->port,
		.rings = o->rings,
		.features = o->features,
		.protocol_features = o->protocol_features,
		.records = o->records,
		.owner = o->owner,
		.listen_fd = o->listen_fd,
		.library_fd = o->library_fd,
		.front = -1,
		.back = -1,
		.ask_fd = -1,
		.iotlb = o->iotlb,
		.log_fd = -1,
		.messages = bucket(VH_RELAY_MESSAGES, VH_RELAY_MESSAGES),
		.connections = bucket(VH_RELAY_CONNECTIONS, VH_RELAY_CONNECTIONS_AT_ONCE),
		.said = bucket(SAID, SAID_BURST)};
	return watch_new(r, LISTEN, r->listen_fd);
}

void vh_relay_port_close(struct relay *r)
{
	end(r);
	close_back(r);
	close(r->listen_fd);
	close(r->library_fd);
}
