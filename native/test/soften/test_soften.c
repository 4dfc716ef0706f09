/*
 * What native/dpdk/runtime/sw_offload.c makes of frames, against the plainest possible reading of the RFCs:
 * every byte of every segment is compared or explained, checksums are added up once more. EAL starts without
 * hugepages.
 */
#include "../../dpdk/runtime/sw_offload.h"
#include "../rig/check.h"
#include "../eal/eal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <rte_gso.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

/* Of IP and its payload; with it and two tags no frame is longer than VH_MAX_FRAME. */
#define MOST 65500U

static struct vh_soften soften;
static struct vh_batch batch;
static uint8_t sent[VH_MAX_FRAME];
static struct vh_virtio_header header;
static uint32_t length, ip, tcp, payload;
static bool v6;

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static uint32_t add(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(const uint8_t *f, uint32_t len)
{
	uint8_t tail[4] = {(uint8_t)(len >> 8), (uint8_t)len, 0, 6};

	return add(add(0, f + ip + (v6 ? 8 : 12), v6 ? 32 : 8), tail, 4);
}

/* A frame of TCP with `bytes` of payload, options and extension headers as they come. */
static void make(uint32_t bytes, uint32_t gso_size)
{
	uint32_t tags = rng_below(&test_rng, 3), options = rng_below(&test_rng, 11) * 4, extra;

	for (uint32_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)rng_next(&test_rng);
	v6 = rng_below(&test_rng, 2) == 0;
	extra = v6 ? rng_below(&test_rng, 6) * 8 : rng_below(&test_rng, 11) * 4;
	for (uint32_t i = 0; i < tags; i++)
		put16(sent + 12 + 4 * i, rng_below(&test_rng, 2) == 0 ? 0x8100 : 0x88a8);
	put16(sent + 12 + 4 * tags, v6 ? 0x86dd : 0x0800);
	ip = 14 + 4 * tags;
	tcp = ip + (v6 ? 40 : 20) + extra;
	payload = tcp + 20 + options;
	sent[ip] = v6 ? 0x60 : (uint8_t)(0x45 + extra / 4);
	if (!v6) {
		put16(sent + ip + 6, 0x4000);
		sent[ip + 9] = 6;
	} else {
		sent[ip + 6] = extra > 0 ? 60 : 6;
		if (extra > 0) {
			sent[ip + 40] = 6;
			sent[ip + 41] = (uint8_t)(extra / 8 - 1);
		}
	}
	sent[tcp + 12] = (uint8_t)((20 + options) / 4 << 4);
	bytes = bytes < MOST - (payload - ip) ? bytes : MOST - (payload - ip);
	length = payload + bytes;
	put16(sent + tcp + 16, pseudo(sent, length - tcp));
	header = (struct vh_virtio_header){.flags = VH_HDR_NEEDS_CSUM,
		.gso_type = gso_size == 0 ? VH_GSO_NONE
			    : v6	  ? VH_GSO_TCPV6
					  : VH_GSO_TCPV4,
		.gso_size = (uint16_t)gso_size,
		.csum_start = (uint16_t)tcp,
		.csum_offset = 16};
}

/* As frame 3 of the batch, in pieces. Return: whether its header is good. */
static bool offer(void)
{
	struct vh_frame *f = &batch.frame[3];
	uint32_t at = 1 + rng_below(&test_rng, length - 1);

	*f = (struct vh_frame){.data = sent, .len = at, .total = length, .first = 5};
	for (; at < length; f->more++) {
		uint32_t n = f->more == 20 ? length - at : 1 + rng_below(&test_rng, length - at);

		batch.seg[5 + f->more] = (struct vh_seg){.p = sent + at, .len = n};
		at += n;
	}
	if (!vh_offload_take(0xffff, &header, &batch, f, &batch.offload[3]))
		return false;
	f->offload = vh_offload_needs(&batch.offload[3]);
	return true;
}

/* Return: the bytes of a frame that was made. */
static uint32_t flat(const struct vh_batch *b, uint32_t i, uint8_t *out)
{
	uint32_t n = vh_frame_read(b, &b->frame[i], 0, out, VH_MAX_FRAME);

	REQUIRE_EQ(n, b->frame[i].total);
	REQUIRE_EQ(b->frame[i].offload, 0);
	return n;
}

int __real_rte_gso_segment(
	struct rte_mbuf *m, const struct rte_gso_ctx *ctx, struct rte_mbuf **out, uint16_t room);
int __wrap_rte_gso_segment(
	struct rte_mbuf *m, const struct rte_gso_ctx *ctx, struct rte_mbuf **out, uint16_t room);

static uint64_t cuts;

/*
 * What librte_gso is handed (linked in its place): each length that it adds, subtracts or copies by is in
 * bounds, however it comes to it.
 */
int __wrap_rte_gso_segment(
	struct rte_mbuf *m, const struct rte_gso_ctx *ctx, struct rte_mbuf **out, uint16_t room)
{
	uint32_t headers = (uint32_t)m->l2_len + m->l3_len + m->l4_len;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	REQUIRE(m->nb_segs == 1 && m->next == NULL && m->data_len == m->pkt_len);
	REQUIRE(m->data_off + m->data_len <= m->buf_len);
	/* The kind that it is told of is the one that stands there: IPv4 in one piece, then TCP. */
	REQUIRE(m->l2_len == 14 && m->l3_len == 20 && p[14] == 0x45 && (get16(p + 20) & 0x3fff) == 0);
	REQUIRE(m->l4_len >= 20 && m->l4_len <= 60 && m->l4_len % 4 == 0);
	REQUIRE(m->outer_l2_len == 0 && m->outer_l3_len == 0);
	REQUIRE((m->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) == 0);
	/* Headers are copied from the first buffer into one of the pool's; the rest is payload. */
	REQUIRE(headers < m->data_len);
	REQUIRE(headers + RTE_PKTMBUF_HEADROOM <= rte_pktmbuf_data_room_size(ctx->direct_pool));
	/* Payload for each segment, more than one of them, as many as there is room for. */
	REQUIRE(ctx->gso_size > headers && ctx->gso_size < m->pkt_len && room <= VH_BATCH);
	REQUIRE((m->data_len - headers - 1) / (ctx->gso_size - headers) < room);
	cuts++;
	return __real_rte_gso_segment(m, ctx, out, room);
}

/* Segment `i` of `total`: all that may differ from what was sent differs as it must. */
static void require_segment(uint8_t *f, uint32_t len, uint32_t i, uint32_t total)
{
	uint32_t from = payload + i * header.gso_size, bytes = len - payload;
	uint8_t flags = sent[tcp + 13];

	REQUIRE_EQ(bytes, i + 1 < total ? header.gso_size : length - from);
	REQUIRE(memcmp(f + payload, sent + from, bytes) == 0);
	REQUIRE_EQ(add(pseudo(f, len - tcp), f + tcp, len - tcp), 0xffff);
	REQUIRE_EQ(get32(f + tcp + 4), get32(sent + tcp + 4) + i * header.gso_size);
	if (i > 0)
		flags &= 0x7f;
	if (i + 1 < total)
		flags &= 0xf6;
	REQUIRE_EQ(f[tcp + 13], flags);
	if (v6) {
		REQUIRE_EQ(get16(f + ip + 4), len - ip - 40);
		memcpy(f + ip + 4, sent + ip + 4, 2);
	} else {
		REQUIRE_EQ(get16(f + ip + 2), len - ip);
		REQUIRE_EQ(get16(f + ip + 4), (get16(sent + ip + 4) + i) & 0xffff);
		REQUIRE_EQ(add(0, f + ip, tcp - ip), 0xffff);
		memcpy(f + ip + 2, sent + ip + 2, 4);
		memcpy(f + ip + 10, sent + ip + 10, 2);
	}
	memcpy(f + tcp + 4, sent + tcp + 4, 4);
	f[tcp + 13] = sent[tcp + 13];
	memcpy(f + tcp + 16, sent + tcp + 16, 2);
	REQUIRE(memcmp(f, sent, payload) == 0);
}

/* Asks for all segments, not always as many at a time as there could be. Return: how many. */
static uint32_t all_segments(void)
{
	static uint8_t f[VH_MAX_FRAME];
	uint32_t i = 0, total = 0;

	do {
		const struct vh_batch *made = soften.hook(soften.context, 1, &batch, 3, i, &total);
		uint32_t n;

		REQUIRE(made != NULL && made->frames > 0 && made->frames <= VH_BATCH);
		n = rng_below(&test_rng, 2) == 0 ? made->frames : 1 + rng_below(&test_rng, made->frames);
		for (uint32_t k = 0; k < n; k++, i++)
			require_segment(f, flat(made, k, f), i, total);
	} while (i < total);
	return total;
}

static void test_segments(void)
{
	static const uint32_t sizes[] = {1, 13, 48, 536, 1220, 1448, 8948, 33000, 65400};

	for (uint32_t i = 0; i < 600; i++) {
		uint32_t size = sizes[i % 9],
			 most = size * VH_MAX_SEGMENTS < MOST ? size * VH_MAX_SEGMENTS : MOST;

		make(i % 5 == 0 ? most : 1 + rng_below(&test_rng, most), size);
		REQUIRE(offer());
		REQUIRE_EQ(all_segments(), (length - payload + size - 1) / size);
	}
}

/* Not only TCP: whatever the header names. */
static void test_checksums(void)
{
	static uint8_t f[VH_MAX_FRAME];

	for (uint32_t i = 0; i < 600; i++) {
		uint32_t total = 0, at, start;
		const struct vh_batch *made;

		make(rng_below(&test_rng, i % 3 == 0 ? MOST : 1500), 0);
		header.csum_start = (uint16_t)rng_below(&test_rng, length - 2 < 65535 ? length - 2 : 65535);
		header.csum_offset =
			(uint16_t)(rng_below(&test_rng, length - 1 - header.csum_start) & 0xfffe);
		if (i % 5 == 0) {
			/* So that the sum is all ones, whose complement is 0. */
			header.csum_offset = 0;
			start = header.csum_start;
			put16(sent + start, 0);
			put16(sent + start, 0xffff - add(0, sent + start, length - start));
		}
		REQUIRE(offer());
		made = soften.hook(soften.context, 0, &batch, 3, 0, &total);
		REQUIRE(made != NULL && made->frames == 1 && total == 1);
		REQUIRE_EQ(flat(made, 0, f), length);
		start = header.csum_start;
		at = start + header.csum_offset;
		put16(f + at, get16(f + at) ^ 0xffff);
		REQUIRE_EQ(get16(f + at) % 0xffff, add(0, sent + start, length - start) % 0xffff);
		/* 0 would say "none" to UDP. */
		REQUIRE(get16(f + at) != 0xffff);
		memcpy(f + at, sent + at, 2);
		REQUIRE(memcmp(f, sent, length) == 0);
	}
}

/* Headers that are not any more what they were when they were checked. */
static void test_changed_headers(void)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t total = 0;
		const struct vh_batch *made;

		if (i % 500 == 0)
			make(1 + rng_below(&test_rng, 20000), 100 + rng_below(&test_rng, 9000));
		if (!offer())
			continue;
		sent[12 + rng_below(&test_rng, payload)] ^= (uint8_t)(1U << rng_below(&test_rng, 8));
		made = soften.hook(soften.context, 2, &batch, 3, rng_below(&test_rng, 300), &total);
		refused += made == NULL;
		REQUIRE(made == NULL || (made->frames > 0 && made->frames <= VH_BATCH));
	}
	REQUIRE(refused > 0);
}

/* What a frame asks for anew, not checked by anybody: any lengths, over any headers. */
static void test_unchecked_lengths(void)
{
	uint64_t before = cuts;

	for (uint32_t i = 0; i < 20000; i++) {
		struct vh_offload *o = &batch.offload[3];
		uint32_t total = 0;
		const struct vh_batch *made;

		if (i % 100 == 0)
			make(1 + rng_below(&test_rng, 20000), 100 + rng_below(&test_rng, 2000));
		if (!offer())
			continue;
		if (rng_below(&test_rng, 2) == 0)
			o->gso_size = (uint16_t)rng_between(&test_rng, 1, 65535);
		if (rng_below(&test_rng, 2) == 0)
			o->hdr_len = (uint16_t)rng_next(&test_rng);
		if (rng_below(&test_rng, 4) == 0)
			o->gso_type ^= VH_GSO_TCPV4 ^ VH_GSO_TCPV6;
		if (rng_below(&test_rng, 4) == 0)
			sent[tcp + 12] = (uint8_t)rng_next(&test_rng);
		made = soften.hook(soften.context, 2, &batch, 3, rng_below(&test_rng, 4), &total);
		REQUIRE(made == NULL || (made->frames > 0 && made->frames <= VH_BATCH));
	}
	REQUIRE(cuts > before);
}

/* Nothing left for us: that is said, and what was made already is no loss. */
static void test_no_memory(void)
{
	static void *taken[4096];
	uint32_t n = 0, size = 1U << 20;
	char error[256] = "";

	while (size >= 1024 && n < 4096) {
		taken[n] = rte_malloc(NULL, size, 0);
		if (taken[n] != NULL)
			n++;
		else
			size /= 2;
	}
	REQUIRE_EQ(vh_soften_start(VH_MAX_WORKERS, &soften, error, sizeof(error)), -ENOMEM);
	REQUIRE(strstr(error, "memoryMb") != NULL);
	while (n > 0)
		rte_free(taken[--n]);
	REQUIRE_EQ(vh_soften_start(VH_MAX_WORKERS, &soften, error, sizeof(error)), 0);
	vh_soften_stop();
}

static void test_all_of_it(void)
{
	char error[256];

	test_no_memory();
	/* Twice: memory comes back. Sixteen workers fit into what the switch asks for. */
	for (int i = 0; i < 2; i++) {
		REQUIRE_EQ(vh_soften_start(VH_MAX_WORKERS, &soften, error, sizeof(error)), 0);
		test_segments();
		test_checksums();
		test_changed_headers();
		test_unchecked_lengths();
		vh_soften_stop();
	}
}

int main(int argc, char **argv)
{
	return eal_test("soften", NULL, test_all_of_it, argc, argv);
}
