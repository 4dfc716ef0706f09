/* Unfinished frames: which headers are believed, and that frames pass unchanged where both sides agreed. */
#include "../rig/offload_rig.h"
#include "../tests.h"

#include <string.h>

static struct offload_frame frame;

static struct rig *two(uint64_t sender, uint64_t receiver)
{
	struct rig *r = rig_new();

	rig_add(r, &(struct guest_config){.features = sender, .tx_size = odd_size(64), .exact = true});
	rig_add(r, &(struct guest_config){.features = receiver, .rx_size = odd_size(256), .exact = true});
	rig_learn_all(r);
	return r;
}

/* The frame comes as it went, with this header. */
static void require_same(struct rig *r, const struct vh_virtio_header *wanted)
{
	static uint8_t got[VH_MAX_FRAME];
	struct vh_virtio_header header;

	REQUIRE_EQ(guest_receive_header(r->guest[1], 0, &header, got, sizeof(got)), frame.len);
	REQUIRE(memcmp(got, frame.data, frame.len) == 0);
	REQUIRE(memcmp(&header, wanted, sizeof(header)) == 0);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
}

static void pass(struct rig *r, enum guest_layout layout, const struct vh_virtio_header *wanted)
{
	offload_send(r, 0, &frame, layout);
	REQUIRE_EQ(rig_poll(r, 0, 2), 1);
	require_same(r, wanted);
}

void test_offload_header_goes_on(void)
{
	static const uint32_t payloads[] = {1, 1449, 30000, 65535 - 60};

	/* Many small buffers, and one chain that takes all. */
	for (int mergeable = 0; mergeable <= 1; mergeable++) {
		struct rig *r =
			two(OFFLOAD_ON, mergeable ? OFFLOAD_ON : OFFLOAD_ON & ~(uint64_t)VH_F_MRG_RXBUF);

		for (uint32_t i = 0; i < 4 * 2 * 3 * 3; i++) {
			uint32_t gso_size = i / 4 % 3 == 0 ? 0 : i / 4 % 3 == 1 ? 1448 : 60000;

			offload_make(&frame, 1, i / 36 == 1, i / 12 % 3, payloads[i % 4], i, gso_size);
			if (gso_size > 0 && i % 5 == 0)
				frame.header.gso_type |= VH_GSO_ECN;
			for (uint32_t n = mergeable ? 60 : 1; n > 0; n--)
				guest_post(r->guest[1], 0, mergeable ? 1536 : VH_MAX_FRAME + 12,
					mergeable ? LAYOUT_SINGLE : LAYOUT_INDIRECT);
			pass(r, (enum guest_layout)(i % LAYOUT_COUNT), &frame.header);
		}
		REQUIRE_EQ(rig_counters(r, 1).rx_packets, 72);
		REQUIRE_EQ(rig_all_drops(r, 0) + rig_all_drops(r, 1), 0);
		rig_require_balance(r);
		rig_free(r);
	}
}

/* Without the checksum among the features nothing else counts, and what headers say means nothing. */
void test_offload_header_is_ignored(void)
{
	static const struct vh_virtio_header nothing;
	struct rig *r = two(OFFLOAD_ON & ~(uint64_t)VH_F_CSUM, OFFLOAD_ON);

	for (uint32_t i = 0; i < 3; i++) {
		offload_make(&frame, 1, false, 0, 3000, i, 1448);
		if (i == 1)
			memset(&frame.header, 0xff, sizeof(frame.header));
		guest_post(r->guest[1], 0, 4000, LAYOUT_SINGLE);
		pass(r, i == 2 ? LAYOUT_INDIRECT : LAYOUT_SINGLE, &nothing);
	}
	REQUIRE_EQ(rig_all_drops(r, 0), 0);
	rig_free(r);
}

/* Things to do to a good header or frame, so that it is bad. */
static const struct damage {
	const char *what;
	struct vh_virtio_header set; /* where a field is not 0 */
	uint32_t at;		     /* of the frame, where not 0 */
	uint8_t byte;
	uint64_t without; /* features that the sender lacks */
	bool v6;
} damages[] = {
	{.what = "a checksum behind the end", .set = {.csum_start = 3054 - 17}},
	{.what = "a checksum far behind the end", .set = {.csum_start = 0xffff, .csum_offset = 0xffff}},
	{.what = "an unknown type", .set = {.gso_type = 2}},
	{.what = "segments of UDP", .set = {.gso_type = 3}},
	{.what = "a type of ECN alone", .set = {.gso_type = VH_GSO_ECN}},
	{.what = "the other protocol", .set = {.gso_type = VH_GSO_TCPV6}},
	{.what = "the other protocol", .set = {.gso_type = VH_GSO_TCPV4}, .v6 = true},
	{.what = "more segments than can be", .set = {.gso_size = 11}},
	{.what = "a checksum in another place", .set = {.csum_offset = 6}},
	{.what = "TCP before it can be", .set = {.csum_start = 30}},
	{.what = "TCP behind where it is", .set = {.csum_start = 38}},
	{.what = "no IP", .at = 12, .byte = 9},
	{.what = "another version", .at = 14, .byte = 0x55},
	{.what = "an IP header that is too short", .at = 14, .byte = 0x44},
	{.what = "a longer IP header", .at = 14, .byte = 0x46},
	{.what = "a fragment", .at = 20, .byte = 0x20},
	{.what = "a later fragment", .at = 21, .byte = 1},
	{.what = "no TCP", .at = 23, .byte = 17},
	{.what = "no TCP", .at = 20, .byte = 17, .v6 = true},
	{.what = "a TCP header that is too short", .at = 46, .byte = 0x40},
	{.what = "tags without end", .at = 12, .byte = 0x81},
	{.what = "no agreement on TSO", .without = VH_F_HOST_TSO4},
	{.what = "no agreement on TSO", .without = VH_F_HOST_TSO6, .v6 = true},
	{.what = "no agreement on ECN",
		.set = {.gso_type = VH_GSO_ECN | VH_GSO_TCPV4},
		.without = VH_F_HOST_ECN},
};

static void damage(const struct damage *d)
{
	struct vh_virtio_header *h = &frame.header;

	offload_make(&frame, 1, d->v6, 0, 3000, 1, 1448);
	if (d->set.gso_type != 0)
		h->gso_type = d->set.gso_type;
	if (d->set.gso_size != 0)
		h->gso_size = d->set.gso_size;
	if (d->set.csum_start != 0)
		h->csum_start = d->set.csum_start;
	if (d->set.csum_offset != 0)
		h->csum_offset = d->set.csum_offset;
	if (d->at != 0)
		frame.data[d->at] = d->byte;
}

/* It is dropped, and the next good frame is not. */
static void require_refused(uint64_t without, const char *what)
{
	struct rig *r = two(OFFLOAD_ON & ~without, OFFLOAD_ON);

	guest_post_all(r->guest[1], 0, 1536, LAYOUT_SINGLE);
	offload_send(r, 0, &frame, LAYOUT_SEGMENTS);
	REQUIRE_EQ(rig_poll(r, 0, 2), 1);
	if (rig_drops(r, 0, VH_DROP_TX_BAD_OFFLOAD) != 1 || rig_all_drops(r, 0) != 1 ||
		rig_counters(r, 0).tx_packets != 0)
		check_failed(__FILE__, __LINE__, "%s is not refused", what);
	REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
	offload_make(&frame, 1, false, 0, 3000, 2, 0);
	pass(r, LAYOUT_SINGLE, &frame.header);
	rig_free(r);
}

void test_offload_bad_headers(void)
{
	for (uint32_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		damage(&damages[i]);
		require_refused(damages[i].without, damages[i].what);
	}
	offload_make(&frame, 1, false, 0, 3000, 1, 1448);
	frame.header.flags = 0;
	require_refused(0, "no checksum");
	offload_make(&frame, 1, false, 0, 3000, 1, 1448);
	frame.header.gso_size = 0;
	require_refused(0, "segments of nothing");
	offload_make(&frame, 1, false, 0, 0, 1, 1448);
	require_refused(0, "no payload");
}

/* IPv6 extension headers are followed as far as they may go. */
static void random_extensions(void)
{
	uint8_t ext[128];
	uint32_t len = 0;

	offload_make(&frame, 1, true, 0, 500, 1, 100);
	while (len < 64 && rng_below(&test_rng, 3) > 0) {
		uint32_t words = rng_below(&test_rng, 3);

		memset(ext + len, 0, (words + 1) * 8);
		ext[len] = rng_below(&test_rng, 8) == 0 ? (uint8_t)rng_next(&test_rng) : 60;
		ext[len + 1] = (uint8_t)words;
		len += (words + 1) * 8;
	}
	if (len == 0)
		return;
	memmove(frame.data + 54 + len, frame.data + 54, frame.len - 54);
	memcpy(frame.data + 54, ext, len);
	frame.data[20] = 60;
	frame.len += len;
	frame.header.csum_start = (uint16_t)(frame.header.csum_start + len);
	frame.header.hdr_len = (uint16_t)(frame.header.hdr_len + len);
}

/* Whatever a header says: the frame comes with a header that is sound, or not at all. */
void test_offload_random_headers(void)
{
	struct rig *r = two(OFFLOAD_ON, OFFLOAD_ON);
	uint32_t came = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		struct vh_virtio_header h;
		static uint8_t got[VH_MAX_FRAME];
		uint8_t *raw = (uint8_t *)&frame.header;

		if (i % 2 == 0)
			random_extensions();
		else
			offload_make(&frame, 1, i % 4 == 1, i / 4 % 3, rng_below(&test_rng, 300), 1,
				1 + rng_below(&test_rng, 99));
		if (rng_below(&test_rng, 3) == 0)
			raw[rng_below(&test_rng, sizeof(frame.header))] = (uint8_t)rng_next(&test_rng);
		if (rng_below(&test_rng, 3) == 0)
			frame.data[12 + rng_below(&test_rng, 60)] = (uint8_t)rng_next(&test_rng);
		guest_post_all(r->guest[1], 0, 700, LAYOUT_SINGLE);
		offload_send(r, 0, &frame, (enum guest_layout)(i % LAYOUT_COUNT));
		REQUIRE_EQ(rig_poll(r, 0, 2), 1);
		REQUIRE_EQ(guest_reap(r->guest[0], 0), 1);
		if (guest_receive_header(r->guest[1], 0, &h, got, sizeof(got)) < 0)
			continue;
		came++;
		REQUIRE((h.flags & ~VH_HDR_NEEDS_CSUM) == 0);
		REQUIRE(h.flags == 0 || h.csum_start + h.csum_offset + 2U <= frame.len);
		if (h.gso_type != VH_GSO_NONE) {
			REQUIRE(h.flags != 0 && h.gso_size > 0 && h.csum_offset == 16);
			REQUIRE(h.hdr_len >= h.csum_start + 20 && h.hdr_len < frame.len);
			REQUIRE((frame.len - h.hdr_len + h.gso_size - 1) / h.gso_size <= VH_MAX_SEGMENTS);
		}
	}
	REQUIRE(came > 5000);
	REQUIRE_EQ(came + rig_all_drops(r, 0), 20000);
	rig_free(r);
}
