#include "fastpath_select.h"

#include <string.h>

#if defined(__x86_64__)
uint32_t vh_switch_poll_v3(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair);
uint32_t vh_switch_poll_v4(struct vh_switch *sw, struct vh_lane *lane, struct vh_port *port, uint16_t pair);
#endif

struct vh_hot vh_hot_pick(const char *limit)
{
	/* Newest first; the last one runs everywhere. */
	const struct {
		struct vh_hot hot;
		bool runs;
	} builds[] = {
#if defined(__x86_64__)
		{{"x86-64-v4", vh_switch_poll_v4}, __builtin_cpu_supports("x86-64-v4")},
		{{"x86-64-v3", vh_switch_poll_v3}, __builtin_cpu_supports("x86-64-v3")},
		{{"x86-64-v2", vh_switch_poll}, true},
#else
		{{"generic", vh_switch_poll}, true},
#endif
	};
	size_t i = 0, n = sizeof(builds) / sizeof(builds[0]);

	while (limit != NULL && i < n && strcmp(builds[i].hot.name, limit) != 0)
		i++;
	while (i < n && !builds[i].runs)
		i++;
	return i < n ? builds[i].hot : (struct vh_hot){.name = limit, .poll = NULL};
}
