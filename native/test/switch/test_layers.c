/* What cards are told of a frame's headers. */
#include "../../switch/parse_l4.h"
#include "../rig/check.h"
#include "../tests.h"

#include <stdlib.h>
#include <string.h>

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Options: 32-bit words behind the least header. Return: bytes of the headers. */
static uint32_t make(uint8_t *f, bool tagged, bool v6, uint32_t ip_options, bool tcp, uint32_t tcp_options)
{
	uint32_t at = 12;

	memset(f, 0, VH_LAYERS_BYTES);
	if (tagged) {
		put16(f + at, 0x8100);
		at += 4;
	}
	put16(f + at, v6 ? 0x86dd : 0x0800);
	at += 2;
	f[at] = v6 ? 0x60 : (uint8_t)(0x45 + ip_options);
	f[at + (v6 ? 6 : 9)] = tcp ? 6 : 17;
	/* Must not be fragmented. */
	if (!v6)
		f[at + 6] = 0x40;
	at += v6 ? 40 : 20 + ip_options * 4;
	if (tcp)
		f[at + 12] = (uint8_t)((5 + tcp_options) << 4);
	return at + (tcp ? 20 + tcp_options * 4 : 8);
}

/* In a buffer of just that size, so that AddressSanitizer sees who reads beyond it. */
static bool find(const uint8_t *f, uint32_t len, struct vh_layers *out)
{
	uint8_t *exact = malloc(len);
	bool found;

	REQUIRE(exact != NULL);
	memcpy(exact, f, len);
	found = vh_layers_find(exact, len, out);
	free(exact);
	return found;
}

void test_layers_plain(void)
{
	uint8_t f[VH_LAYERS_BYTES];
	struct vh_layers at;

	for (uint32_t i = 0; i < 8; i++) {
		bool tagged = (i & 1) != 0, v6 = (i & 2) != 0, tcp = (i & 4) != 0;

		for (uint32_t options = 0; options <= 10; options++) {
			uint32_t len = make(f, tagged, v6, options, tcp, options);

			REQUIRE(find(f, len, &at));
			REQUIRE_EQ(at.tagged, tagged);
			REQUIRE_EQ(at.v6, v6);
			REQUIRE_EQ(at.tcp, tcp);
			REQUIRE_EQ(at.l2, tagged ? 18 : 14);
			REQUIRE_EQ(at.l3, v6 ? 40 : 20 + options * 4);
			REQUIRE_EQ(at.l2 + at.l3 + at.l4, len);
			for (uint32_t less = 14; less < len; less++)
				REQUIRE(!find(f, less, &at));
		}
	}
}

void test_layers_odd(void)
{
	static const struct {
		const char *what;
		uint8_t at, value;
		bool v6;
	} cases[] = {{"a fragment", 20, 0x20, false}, {"the last fragment", 21, 1, false},
		{"too short an IP header", 14, 0x44, false}, {"another version", 14, 0x65, false},
		{"another protocol", 23, 1, false}, {"too short a TCP header", 46, 0x40, false},
		{"another EtherType", 13, 6, false}, {"another tag", 12, 0x88, false},
		{"another version", 14, 0x45, true}, {"options", 20, 0, true}, {"a fragment", 20, 44, true}};
	uint8_t f[VH_LAYERS_BYTES];
	struct vh_layers at;

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(f, false, cases[i].v6, 0, true, 0);
		REQUIRE(find(f, sizeof(f), &at));
		f[cases[i].at] = cases[i].value;
		if (find(f, sizeof(f), &at))
			check_failed(__FILE__, __LINE__, "%s passes", cases[i].what);
	}
	/* Two tags. */
	make(f, true, false, 0, true, 0);
	put16(f + 16, 0x8100);
	REQUIRE(!find(f, sizeof(f), &at));
}

void test_layers_random(void)
{
	uint8_t f[VH_LAYERS_BYTES];
	struct vh_layers at;

	for (uint32_t n = 0; n < 100000; n++) {
		uint32_t len = rng_between(&test_rng, 1, sizeof(f));

		make(f, rng_below(&test_rng, 2) == 0, rng_below(&test_rng, 2) == 0, rng_below(&test_rng, 11),
			rng_below(&test_rng, 2) == 0, rng_below(&test_rng, 11));
		for (uint32_t flips = rng_below(&test_rng, 4); flips > 0; flips--)
			f[rng_below(&test_rng, 60)] = (uint8_t)rng_next(&test_rng);
		if (find(f, len, &at))
			REQUIRE((uint32_t)at.l2 + at.l3 + at.l4 <= len && at.l3 >= 20 &&
				at.l4 >= (at.tcp ? 20 : 8));
	}
}
