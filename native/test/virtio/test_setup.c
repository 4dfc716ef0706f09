/* What vh_vq_setup() accepts and refuses. */
#include "../rig/rig.h"
#include "../tests.h"

#include <string.h>

static struct guest *g;

static struct vh_vq_config good(void)
{
	return (struct vh_vq_config){.desc = g->tx[0].desc,
		.avail = g->tx[0].avail,
		.used = g->tx[0].used,
		.size = 256,
		.features = VH_F_EVENT_IDX,
		.mem = &g->mem,
		.record = g->tx[0].record,
		.last_avail = 7,
		.last_used = 8};
}

/* Refused for this reason, and the queue is left as it was. */
static void refuse(struct vh_vq_config c, const char *part)
{
	static struct vh_vq vq, zero;
	const char *why = vh_vq_setup(&vq, &c);

	REQUIRE(why != NULL);
	REQUIRE(strstr(why, part) != NULL);
	REQUIRE(memcmp(&vq, &zero, sizeof(vq)) == 0);
}

#define REFUSE(part, ...)                                                                                    \
	do {                                                                                                 \
		struct vh_vq_config c = good();                                                              \
		__VA_ARGS__;                                                                                 \
		refuse(c, part);                                                                             \
	} while (0)

void test_vq_setup_refusals(void)
{
	static struct vh_vq vq;
	uint8_t *end;
	struct vh_vq_config ok;

	g = guest_new(&(struct guest_config){.features = 0});
	end = g->region[1] + GUEST_REGION_SIZE;
	ok = good();
	REQUIRE(vh_vq_setup(&vq, &ok) == NULL);
	REQUIRE(!vh_vq_is_live(&vq));
	REQUIRE_EQ(vq.hdr_len, 10);
	REQUIRE_EQ(vq.last_avail, 7);
	REQUIRE_EQ(vq.last_used, 8);
	vh_vq_start(&vq);
	REQUIRE(vh_vq_is_live(&vq));
	vh_vq_stop(&vq);
	REQUIRE(!vh_vq_is_live(&vq));
	ok.features = VH_F_MRG_RXBUF;
	REQUIRE(vh_vq_setup(&vq, &ok) == NULL);
	REQUIRE_EQ(vq.hdr_len, 12);

	REFUSE("1 to 32768", c.size = 0);
	REFUSE("power of two", c.size = 255);
	REFUSE("1 to 32768", c.size = 65536);
	REFUSE("1 to 32768", c.size = 1U << 31);
	REFUSE("descriptor table", c.desc = NULL);
	REFUSE("descriptor table", c.desc = end - 256 * 16 + 16);
	REFUSE("descriptor table", c.size = 32768; c.desc = end - 256 * 16);
	REFUSE("available ring", c.avail = end);
	/* One byte short of the used_event word at its end; without the event index it would do. */
	REFUSE("available ring", c.avail = end - 4 - 512);
	REFUSE("used ring", c.used = end - 4 - 2048);
	REFUSE("used ring", c.used = g->region[0] - 4);
	REFUSE("aligned", c.desc = (uint8_t *)c.desc + 4);
	REFUSE("aligned", c.avail = (uint8_t *)c.avail + 1);
	REFUSE("aligned", c.used = (uint8_t *)c.used + 2);
	ok = good();
	ok.avail = end - 4 - 512;
	ok.features = 0;
	REQUIRE(vh_vq_setup(&vq, &ok) == NULL);
	ok = good();
	ok.used = end - 4 - 2048;
	ok.features = 0;
	REQUIRE(vh_vq_setup(&vq, &ok) == NULL);
	guest_free(g);
}

#define REFUSE_PACKED(part, ...) REFUSE(part, c.features |= VH_F_RING_PACKED; __VA_ARGS__)

void test_vq_setup_packed(void)
{
	static const uint16_t places[] = {0, 0x8000, 254, 254 | 0x8000};
	static struct vh_vq vq;
	uint16_t avail, used;
	struct vh_vq_config ok;
	uint8_t *end;

	g = guest_new(&(struct guest_config){.features = VH_F_RING_PACKED});
	end = g->region[1] + GUEST_REGION_SIZE;
	for (uint32_t i = 0; i < 16; i++) {
		ok = good();
		ok.features = VH_F_RING_PACKED | VH_F_VERSION_1;
		ok.size = 255;
		ok.last_avail = places[i % 4];
		ok.last_used = places[i / 4];
		REQUIRE(vh_vq_setup(&vq, &ok) == NULL);
		REQUIRE_EQ(vq.hdr_len, 12);
		vh_vq_positions(&vq, &avail, &used);
		REQUIRE_EQ(avail, ok.last_avail);
		REQUIRE_EQ(used, ok.last_used);
	}
	REFUSE_PACKED("1 to 32768", c.size = 0);
	REFUSE_PACKED("1 to 32768", c.size = 32769);
	REFUSE_PACKED("position", c.last_avail = 256);
	REFUSE_PACKED("position", c.last_used = 256 | 0x8000);
	REFUSE_PACKED("position", c.size = 7);
	REFUSE_PACKED("descriptor ring", c.desc = end - 256 * 16 + 16);
	REFUSE_PACKED("descriptor ring", c.size = 32768; c.desc = end - 256 * 16);
	REFUSE_PACKED("driver event", c.avail = end - 2);
	REFUSE_PACKED("device event", c.used = end);
	REFUSE_PACKED("aligned", c.desc = (uint8_t *)c.desc + 4);
	REFUSE_PACKED("aligned", c.avail = (uint8_t *)c.avail + 1);
	REFUSE_PACKED("aligned", c.used = (uint8_t *)c.used + 2);
	/* As near to the end of memory as can be. */
	ok = good();
	ok.features = VH_F_RING_PACKED;
	ok.desc = end - 256 * 16;
	ok.avail = ok.used = end - 4;
	REQUIRE(vh_vq_setup(&vq, &ok) == NULL);
	guest_free(g);
}
