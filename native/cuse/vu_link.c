#include "vu_link.h"

#include <unistd.h>

void vh_cuse_link_down(struct vh_cuse_link *l, const char *why)
{
	if (l->socket < 0)
		return;
	close(l->socket);
	l->socket = -1;
	vh_cuse_log_lost(&l->log, l->port);
	l->features_said = false;
	l->parts = 0;
	l->started = 0;
	/* It may be there again at once: most losses are a switch that starts anew. */
	l->again = l->world->now(l->world->self) + VH_CUSE_FIRST_WAIT_MS;
	l->wait = VH_CUSE_FIRST_WAIT_MS;
	if (why != NULL)
		l->world->say(l->world->self, "the switch is away: %s", why);
}

bool vh_cuse_link_wanted(const struct vh_cuse_link *l)
{
	for (uint32_t i = 0; i < 2 * VH_CUSE_CLIENTS; i++)
		if (l->port->client[i / 2].id != 0 && l->port->client[i / 2].ring[i % 2].running)
			return true;
	return false;
}
