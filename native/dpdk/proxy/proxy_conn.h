/* Internal to the relay: one port's connection. All functions under the relay's lock. */
#ifndef VH_DPDK_PROXY_PROXY_CONN_H
#define VH_DPDK_PROXY_PROXY_CONN_H

#include "proxy_io.h"
#include "proxy_options.h"

#include <sys/types.h>

/* Tokens that refill with time. */
struct bucket {
	uint32_t per_second, room;
	int64_t left; /* thousandths; below 0 after something that costs more than one */
	uint64_t at;  /* ms */
};

/* The three sockets of a port; in epoll's data: port << 2 | one of these. */
enum end { LISTEN, FRONT, BACK };

struct relay {
	bool open; /* known to the relay */
	int epoll_fd;
	int descriptors; /* those of front ends are below this one */
	uint16_t port;
	uint32_t rings;
	uint64_t features, protocol_features;
	struct vh_records *records;
	struct vh_owner owner;
	enum { IDLE, OPEN, ENDING } state;
	bool attached; /* librte_vhost has a device for the connection */
	pid_t peer;    /* the process that connected last; 0: unknown */
	int listen_fd, library_fd, front, back;
	uint32_t interest[3]; /* what epoll watches, per enum end */
	struct vh_gate gate;
	struct vh_mail request, reply;
	bool request_due; /* request is whole and passed, and not handed on yet */
	bool reply_due;	  /* librte_vhost will answer the last request */
	bool answer_due;  /* reply is whole and not sent yet */
	int ask_fd;	  /* where the front end is asked (SET_BACKEND_REQ_FD), or -1 */
	struct vh_iotlb *iotlb;
	struct vh_mail question;
	bool question_due;	/* question has found no room yet */
	int log_fd;		/* of the last SET_LOG_BASE, until the session takes it, or -1 */
	struct vh_vhu_msg last; /* header of the last request handed on */
	uint64_t deadline;	/* ms, or 0 */
	const char *late;	/* what it means when the deadline passes */
	uint64_t shut_until;
	const char *shut_why; /* the reason, where that was a front end's doing */
	uint64_t begun;	      /* ms: when the connection began */
	bool asked;	      /* it has asked how many queues the port has */
	bool told_too_many;   /* said of the port, until a front end negotiates features */
	struct bucket messages, connections, said;
	uint64_t unsaid;
};

/* Makes the port known; its connections start with vh_relay_port_rearm(). Return: 0, or a negative errno. */
int vh_relay_port_init(struct relay *r, const struct vh_relay_options *o, int epoll_fd, int descriptors);

/* Lets front ends in by another socket. Return: 0, or a negative errno with everything as before. */
int vh_relay_port_listen(struct relay *r, int listen_fd);

/* Tells epoll what the port waits for. A hang-up is always told. */
void vh_relay_port_rearm(struct relay *r);

/* Acts on what epoll says of one socket. */
void vh_relay_port_event(struct relay *r, enum end which, uint32_t events);

/* Acts on time that has passed. Return: ms until the next of it, at most `timeout`. */
int vh_relay_port_time(struct relay *r, int timeout);

/* Ends the connection, if there is one, and says why; nobody is let in for shut_ms. */
void vh_relay_port_condemn(struct relay *r, const char *why, uint32_t shut_ms);

/* librte_vhost has forgotten the connection. */
void vh_relay_port_detached(struct relay *r);

/* Closes everything. */
void vh_relay_port_close(struct relay *r);

#endif
