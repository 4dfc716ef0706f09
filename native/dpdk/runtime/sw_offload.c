#include "sw_offload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_gso.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

/* Two for each segment: its headers, and a reference to its payload. */
#define BUFFERS (2 * VH_BATCH)
/*
 * What librte_gso gets in front of TCP, in place of the real headers: Ethernet and a bare IPv4 header. 22.11
 * cuts TCP over IPv4 only, and takes all lengths from us; this way it cuts IPv6 with extension headers as
 * well.
 */
#define STAND_IN (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr))
/* A segment's real headers are put where the stand-in was, the rest of them in front of it. */
#define ROOM (RTE_PKTMBUF_HEADROOM + STAND_IN + VH_MAX_TCP_HEADER)
#define CWR 0x80
#define FIN_PSH 0x09

_Static_assert(VH_MAX_TCP_START <= RTE_PKTMBUF_HEADROOM + STAND_IN, "the headroom takes the headers");
/*
 * What is cut at a time: a buffer's size is counted in 16 bits. Not the sender's memory attached to a buffer,
 * which would spare a copy: the library (22.11) hands the flag for that on to buffers that have nothing
 * attached.
 */
#define LARGEST_CUT ((uint32_t)(UINT16_MAX - RTE_PKTMBUF_HEADROOM - STAND_IN - VH_MAX_TCP_HEADER))

struct softener {
	struct rte_mempool *small; /* for segments */
	struct rte_mempool *large; /* one buffer, for what is cut */
	struct rte_mbuf *made[VH_BATCH];
	uint16_t n_made;
	struct vh_batch out;
	uint8_t copy[VH_MAX_FRAME]; /* of the headers, or of a frame that is not cut */
};

static struct {
	struct softener *of[VH_MAX_WORKERS];
	uint32_t n;
} all;

/* A frame to be cut. */
struct cut {
	struct vh_tcp_headers h;
	uint32_t gso_size, total; /* total: segments */
	uint32_t from, n;	  /* of them this time */
	uint8_t front[VH_MAX_TCP_START];
};

static uint16_t finished(uint32_t sum)
{
	uint16_t c = (uint16_t)~__rte_raw_cksum_reduce(sum);

	/* The same number in ones' complement; to UDP a zero would mean that there is none. */
	return c == 0 ? 0xffff : c;
}

static void forget_last(struct softener *s)
{
	if (s->n_made > 0)
		rte_pktmbuf_free_bulk(s->made, s->n_made);
	s->n_made = 0;
	s->out.frames = s->out.segs = 0;
}

/* Adds a frame of one or two parts to the batch. */
static void put(struct softener *s, uint8_t *front, uint32_t len, uint8_t *payload, uint32_t bytes)
{
	struct vh_frame *f = &s->out.frame[s->out.frames++];

	*f = (struct vh_frame){.data = front, .len = len, .total = len + bytes, .first = s->out.segs};
	if (bytes > 0) {
		s->out.seg[s->out.segs++] = (struct vh_seg){.p = payload, .len = bytes};
		f->more = 1;
	}
}

/* A frame that lacks nothing but its checksum. */
static bool checksum(struct softener *s, const struct vh_batch *b, uint16_t frame)
{
	const struct vh_offload *o = &b->offload[frame];
	uint32_t len = b->frame[frame].total;
	uint16_t sum;

	vh_frame_read(b, &b->frame[frame], 0, s->copy, len);
	/* What stands where the checksum belongs is the sum of the pseudo header, so it counts. */
	sum = finished(rte_raw_cksum(s->copy + o->csum_start, len - o->csum_start));
	memcpy(s->copy + o->csum_start + o->csum_offset, &sum, sizeof(sum));
	put(s, s->copy, len, NULL, 0);
	return true;
}

/* Sum over the addresses, the protocol and the length of a TCP segment. */
static uint32_t pseudo_sum(const uint8_t *ip, bool v6, uint32_t tcp_len)
{
	const uint8_t *addresses =
		ip + (v6 ? offsetof(struct rte_ipv6_hdr, src_addr) : offsetof(struct rte_ipv4_hdr, src_addr));
	uint32_t sum = (uint32_t)rte_cpu_to_be_16((uint16_t)tcp_len) + rte_cpu_to_be_16(IPPROTO_TCP);

	return sum + rte_raw_cksum(addresses, v6 ? 32 : 8);
}

/* Makes the IP header in `front` that of segment `index`, `len` bytes long from its IP header on. */
static void fix_ip(const struct cut *c, uint8_t *front, uint32_t index, uint32_t len)
{
	if (c->h.v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(void *)(front + c->h.ip);

		ip->payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*ip)));
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(front + c->h.ip);

		ip->total_length = rte_cpu_to_be_16((uint16_t)len);
		ip->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->packet_id) + index));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
}

/* A segment that librte_gso has cut, or a single one: real headers, lengths, checksums. */
static void finish(struct softener *s, const struct cut *c, uint32_t index, uint8_t *tcp, uint8_t *payload,
	uint32_t bytes)
{
	uint32_t tcp_len = c->h.payload - c->h.tcp;
	uint8_t *front = tcp - c->h.tcp;
	struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)(void *)tcp;

	memmove(front, c->front, c->h.tcp);
	fix_ip(c, front, index, c->h.payload - c->h.ip + bytes);
	/* "Window reduced" is said once (RFC 3168, 6.1.2). */
	if (index > 0)
		t->tcp_flags &= (uint8_t)~CWR;
	t->cksum = 0;
	t->cksum = finished(pseudo_sum(front + c->h.ip, c->h.v6, tcp_len + bytes) +
			    rte_raw_cksum(tcp, tcp_len) + rte_raw_cksum(payload, bytes));
	put(s, front, c->h.payload, payload, bytes);
}

/* Reads the headers into s->copy and works out which segments are due. Return: whether that works. */
static bool plan(struct softener *s, const struct vh_batch *b, uint16_t frame, uint32_t from, struct cut *c)
{
	const struct vh_offload *o = &b->offload[frame];
	const struct vh_frame *f = &b->frame[frame];
	uint32_t fits, len = vh_frame_read(b, f, 0, s->copy, VH_MAX_HEADERS);
	bool v6 = (o->gso_type & ~VH_GSO_ECN) == VH_GSO_TCPV6;

	/* Once more, for this is what the segments are made of. */
	if (!vh_tcp_headers_parse(s->copy, len, o->csum_start, v6, &c->h) || c->h.payload >= f->total)
		return false;
	c->gso_size = o->gso_size;
	c->total = (f->total - c->h.payload + c->gso_size - 1) / c->gso_size;
	c->from = from;
	if (from >= c->total)
		return false;
	fits = RTE_MAX(LARGEST_CUT / c->gso_size, 1U);
	c->n = RTE_MIN(RTE_MIN(c->total - from, fits), (uint32_t)VH_BATCH);
	memcpy(c->front, s->copy, c->h.tcp);
	return true;
}

/* What librte_gso shall cut: stand-in, TCP header, and `bytes` of the frame's payload from offset `start` on.
 */
static struct rte_mbuf *load(struct softener *s, const struct cut *c, const struct vh_batch *b,
	uint16_t frame, uint32_t start, uint32_t bytes)
{
	/* At most VH_MAX_TCP_HEADER. */
	uint8_t tcp_len = (uint8_t)(c->h.payload - c->h.tcp);
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->large);
	uint8_t *p;

	if (m == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(STAND_IN + tcp_len + bytes));
	memset(p, 0, STAND_IN);
	p[sizeof(struct rte_ether_hdr)] = RTE_IPV4_VHL_DEF;
	memcpy(p + STAND_IN, s->copy + c->h.tcp, tcp_len);
	vh_frame_read(b, &b->frame[frame], start, p + STAND_IN + tcp_len, bytes);
	m->l2_len = sizeof(struct rte_ether_hdr);
	m->l3_len = sizeof(struct rte_ipv4_hdr);
	m->l4_len = tcp_len;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	return m;
}

/*
 * What librte_gso relies on and does not look at (gso_common.c and gso_tcp4.c, 22.11 to 26.07): that all
 * headers lie in the first buffer, and fit into each of those that it copies them to; that a segment has room
 * for payload behind them; that there is payload; that lengths which it adds up in 16 bits fit. What of it
 * depends on a guest was checked before; this holds whatever was missed.
 */
static bool can_be_cut(const struct rte_mbuf *m, const struct rte_gso_ctx *ctx, uint32_t segments)
{
	uint32_t headers = (uint32_t)m->l2_len + m->l3_len + m->l4_len;

	return m->nb_segs == 1 && m->next == NULL && m->pkt_len == m->data_len &&
	       m->ol_flags == (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4) &&
	       m->l2_len == sizeof(struct rte_ether_hdr) && m->l3_len == sizeof(struct rte_ipv4_hdr) &&
	       m->l4_len >= VH_MIN_TCP_HEADER && m->l4_len <= VH_MAX_TCP_HEADER && headers < m->data_len &&
	       headers + RTE_PKTMBUF_HEADROOM <= rte_pktmbuf_data_room_size(ctx->direct_pool) &&
	       ctx->gso_size > headers && ctx->gso_size < m->pkt_len &&
	       (m->data_len - headers + ctx->gso_size - headers - 1) / (ctx->gso_size - headers) ==
		       segments &&
	       segments <= VH_BATCH;
}

/* Has librte_gso cut it. Return: whether that gave as many segments as there must be. */
static bool split(struct softener *s, const struct cut *c, struct rte_mbuf *m)
{
	struct rte_gso_ctx ctx = {.direct_pool = s->small,
		.indirect_pool = s->small,
		.gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
		.gso_size = (uint16_t)(STAND_IN + m->l4_len + c->gso_size)};
	int made = can_be_cut(m, &ctx, c->n) ? rte_gso_segment(m, &ctx, s->made, VH_BATCH) : 0;

	/* The segments refer to it, and keep it as long as they last. */
	rte_pktmbuf_free(m);
	s->n_made = (uint16_t)RTE_MAX(made, 0);
	return s->n_made == c->n;
}

/* The segments from `from` on, as many as fit a batch. */
static bool segment(
	struct softener *s, const struct vh_batch *b, uint16_t frame, uint32_t from, uint32_t *total)
{
	struct rte_tcp_hdr *t;
	uint32_t start, bytes;
	struct rte_mbuf *m;
	struct cut c;

	if (!plan(s, b, frame, from, &c))
		return false;
	*total = c.total;
	start = c.h.payload + from * c.gso_size;
	bytes = RTE_MIN(c.n * c.gso_size, b->frame[frame].total - start);
	t = (struct rte_tcp_hdr *)(void *)(s->copy + c.h.tcp);
	t->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(t->sent_seq) + from * c.gso_size);
	/* They belong to the last segment; the library minds that for the segments it knows of. */
	if (from + c.n < c.total)
		t->tcp_flags &= (uint8_t)~FIN_PSH;
	if (c.n == 1) {
		vh_frame_read(b, &b->frame[frame], start, s->copy + c.h.payload, bytes);
		finish(s, &c, from, s->copy + c.h.tcp, s->copy + c.h.payload, bytes);
		return true;
	}
	m = load(s, &c, b, frame, start, bytes);
	if (m == NULL || !split(s, &c, m))
		return false;
	for (uint32_t i = 0; i < c.n; i++) {
		m = s->made[i];
		finish(s, &c, from + i, rte_pktmbuf_mtod_offset(m, uint8_t *, STAND_IN),
			rte_pktmbuf_mtod(m->next, uint8_t *), m->next->data_len);
	}
	return true;
}

static const struct vh_batch *soften(void *context, uint16_t worker, const struct vh_batch *b, uint16_t frame,
	uint32_t from, uint32_t *total)
{
	struct softener *s = all.of[worker];

	(void)context;
	forget_last(s);
	*total = 1;
	if (b->offload[frame].gso_type == VH_GSO_NONE ? !checksum(s, b, frame)
						      : !segment(s, b, frame, from, total)) {
		forget_last(s);
		return NULL;
	}
	return &s->out;
}

static void free_softener(struct softener *s)
{
	if (s == NULL)
		return;
	forget_last(s);
	rte_mempool_free(s->small);
	rte_mempool_free(s->large);
	free(s);
}

static struct rte_mempool *pool(const char *what, uint32_t worker, uint32_t buffers, uint32_t room)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "vh-%s-%u", what, worker);
	/* One thread takes and gives: no locks, no caches in front. */
	return rte_pktmbuf_pool_create_by_ops(
		name, buffers, 0, 0, (uint16_t)room, SOCKET_ID_ANY, "ring_sp_sc");
}

static struct softener *new_softener(uint32_t worker)
{
	struct softener *s = aligned_alloc(
		VH_CACHE_LINE, (sizeof(*s) + VH_CACHE_LINE - 1) / VH_CACHE_LINE * VH_CACHE_LINE);

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->small = pool("segments", worker, BUFFERS, ROOM);
	s->large = s->small == NULL ? NULL : pool("frame", worker, 1, UINT16_MAX);
	if (s->large == NULL) {
		free_softener(s);
		return NULL;
	}
	return s;
}

int vh_soften_start(uint32_t workers, struct vh_soften *out, char *error, size_t n)
{
	for (; all.n < workers; all.n++) {
		all.of[all.n] = new_softener(all.n);
		if (all.of[all.n] == NULL) {
			snprintf(error, n,
				"no memory to finish frames for guests without offloads: %s; give the switch "
				"more "
				"(memoryMb), or add the port without offloads",
				rte_strerror(rte_errno));
			return -ENOMEM;
		}
	}
	*out = (struct vh_soften){.hook = soften};
	return 0;
}

void vh_soften_stop(void)
{
	for (uint32_t i = 0; i < all.n; i++)
		free_softener(all.of[i]);
	memset(&all, 0, sizeof(all));
}
