/* Which numbers devices ask for. */
#include "../../cuse/devnode.h"
#include "../rig/check.h"
#include "tests.h"

#include <string.h>
#include <sys/sysmacros.h>

#define N 256

void test_node_numbers(void)
{
	static dev_t number[N], again;

	/* The first is the kernel's to choose, whatever is free before it. */
	REQUIRE_EQ(vh_cuse_node_next(number, N), 0);
	number[7] = makedev(511, 0);
	for (uint32_t i = 0; i < N; i++)
		if (number[i] == 0)
			number[i] = vh_cuse_node_next(number, N);
	/* All the others are below the same major, each one once. */
	for (uint32_t i = 0; i < N; i++) {
		REQUIRE_EQ(major(number[i]), 511);
		REQUIRE(minor(number[i]) < N);
		for (uint32_t j = 0; j < i; j++)
			REQUIRE(number[i] != number[j]);
	}
	/* Also after the first is gone, whose number is free then. */
	number[7] = 0;
	REQUIRE_EQ(vh_cuse_node_next(number, N), makedev(511, 0));
	again = number[100];
	number[100] = 0;
	number[7] = makedev(511, 0);
	REQUIRE_EQ(vh_cuse_node_next(number, N), again);
	memset(number, 0, sizeof(number));
	REQUIRE_EQ(vh_cuse_node_next(number, N), 0);
}

void test_node_of_a_name(void)
{
	REQUIRE_EQ(vh_cuse_node_number("no-such-device"), 0);
	/* A device, but none of CUSE's: the kernel's list has no such name. */
	REQUIRE_EQ(vh_cuse_node_find("null"), -1);
	REQUIRE_EQ(vh_cuse_node_find("no-such-device"), -1);
}
