#include "port_lack.h"
#include "../proxy/proxy.h"
#include "session.h"

#include <stddef.h>

#define VH_X(id, name, text) name,
static const char *const names[] = {VH_LACKS(VH_X)};
#undef VH_X
#define VH_X(id, name, text) text,
static const char *const texts[] = {VH_LACKS(VH_X)};
#undef VH_X

const char *vh_lack_name(enum vh_lack lack)
{
	return names[lack];
}

/* Of rings of one direction, from `first` on. */
struct direction {
	bool served, enabled, started, sized;
	bool filled; /* a receive queue that is served has, or had, buffers */
	const char *refused;
};

static void look(const struct vh_session *s, uint32_t first, struct direction *d)
{
	*d = (struct direction){0};
	for (uint32_t i = first; i < 2U * s->port->pairs; i += 2) {
		const struct vh_ring *r = &s->ring[i];

		d->served |= r->use == VH_RING_SERVED;
		d->enabled |= r->enable == VH_RING_ENABLED;
		d->started |= r->started;
		d->sized |= r->sized;
		if (r->use == VH_RING_SERVED && first == 0)
			/* What an invalidation took away may not be read; the ring is there again with its
			 * translations. */
			d->filled |=
				s->iommu.ring[i].suspended || vh_vq_was_filled(&s->port->rx[i / 2], r->began);
		if (r->refused != NULL)
			d->refused = r->refused;
	}
}

static enum vh_lack find(const struct vh_session *s, const struct direction *rx, const struct direction *tx)
{
	bool started = rx->started || tx->started;

	if (s->vid < 0)
		return VH_LACK_FRONT_END;
	if (!s->negotiated)
		return VH_LACK_FEATURES;
	if (!s->mapped)
		return VH_LACK_MEMORY;
	if (!started && (rx->sized || tx->sized) && (s->features & VH_F_VERSION_1) == 0)
		return VH_LACK_BYTE_ORDER;
	if (!started)
		return VH_LACK_RINGS;
	if (!s->ready && (rx->refused != NULL || tx->refused != NULL))
		return VH_LACK_REFUSED;
	if (!rx->served && !tx->served)
		return VH_LACK_ENABLED;
	if (!rx->served)
		return VH_LACK_RECEIVE;
	if (!tx->served)
		return VH_LACK_TRANSMIT;
	return rx->filled ? VH_LACK_NOTHING : VH_LACK_BUFFERS;
}

enum vh_lack vh_session_lack(const struct vh_session *s, const char **text)
{
	struct direction rx, tx;
	enum vh_lack lack;

	look(s, 0, &rx);
	look(s, 1, &tx);
	lack = find(s, &rx, &tx);
	if (lack == VH_LACK_FRONT_END && (*text = vh_relay_shut(s->port->id)) != NULL)
		return VH_LACK_SHUT;
	*text = lack != VH_LACK_REFUSED ? texts[lack] : rx.refused != NULL ? rx.refused : tx.refused;
	return lack;
}
