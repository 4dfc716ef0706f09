/*
 * Memory that is cut short under its user: zeroes are put in its place, also where the host promises no
 * memory.
 */
#include "../../dpdk/runtime/sigbus.h"
#include "../rig/check.h"
#include "../tests.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE (64U << 10)

struct cut {
	uint8_t *at;
	int fd;
};

static struct cut cut_memory(uint16_t port)
{
	struct cut c = {.fd = memfd_create("guest", MFD_CLOEXEC)};

	REQUIRE(c.fd >= 0 && ftruncate(c.fd, SIZE) == 0);
	c.at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
	REQUIRE(c.at != MAP_FAILED);
	c.at[0] = 1;
	vh_sigbus_region(port, 0, c.at, SIZE);
	REQUIRE(ftruncate(c.fd, 0) == 0);
	return c;
}

static void forget(struct cut c, uint16_t port)
{
	vh_sigbus_forget(port);
	munmap(c.at, SIZE);
	close(c.fd);
}

/* Without private memory to be had (as under vm.overcommit_memory=2). Return: what is found at its end,
 * before that is written. */
static uint8_t touch_in_need(const struct cut *c)
{
	struct rlimit before, none;
	uint8_t found;

	REQUIRE(getrlimit(RLIMIT_DATA, &before) == 0);
	none = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
	REQUIRE(setrlimit(RLIMIT_DATA, &none) == 0);
	REQUIRE(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			0) == MAP_FAILED);
	found = *(volatile uint8_t *)(c->at + SIZE - 1);
	*(volatile uint8_t *)(c->at + SIZE - 1) = 7;
	REQUIRE(setrlimit(RLIMIT_DATA, &before) == 0);
	return found;
}

static void let_be(uint16_t port, const char *why, uint32_t shut_ms)
{
	(void)port;
	(void)why;
	(void)shut_ms;
}

void test_sigbus_is_fixed(void)
{
	REQUIRE_EQ(vh_sigbus_start(let_be), 0);
	for (uint16_t port = 0; port < 4; port++) {
		struct cut c = cut_memory(port);
		uint32_t before = vh_sigbus_count();

		if (port % 2 == 0)
			REQUIRE_EQ(*(volatile uint8_t *)c.at, 0);
		else
			REQUIRE_EQ(touch_in_need(&c), 0);
		REQUIRE_EQ(vh_sigbus_count(), before + 1);
		REQUIRE_EQ(*(volatile uint8_t *)(c.at + SIZE - 1), port % 2 == 0 ? 0 : 7);
		forget(c, port);
	}
	vh_sigbus_stop();
}

/* What one guest's mapping has had, no later one at the same place finds. */
void test_sigbus_leaves_nothing(void)
{
	struct cut c;
	uint8_t *place;

	REQUIRE_EQ(vh_sigbus_start(let_be), 0);
	c = cut_memory(0);
	place = c.at;
	REQUIRE_EQ(touch_in_need(&c), 0);
	REQUIRE_EQ(place[SIZE - 1], 7);
	forget(c, 0);
	c = cut_memory(1);
	if (c.at != place)
		c.at = mremap(c.at, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	REQUIRE(c.at == place);
	vh_sigbus_region(1, 0, place, SIZE);
	REQUIRE_EQ(touch_in_need(&c), 0);
	forget(c, 1);
	vh_sigbus_stop();
}
