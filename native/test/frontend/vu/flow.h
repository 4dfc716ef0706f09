/* Frames between two guests, without pause. */
#ifndef FLOW_H
#define FLOW_H

#include "guest.h"

/* Both send to each other for so many turns, however long the switch takes to make room; lengths change all
 * the time. Return: whether it made room before the deadline. */
bool flow_both(struct guest *a, struct guest *b, uint32_t turns);

/* Waits until the switch has taken everything of one. Deliveries end before a frame is handed back, so the
 * other has taken it all in afterwards. Return: whether that was before the deadline. */
bool flow_settle(struct guest *from, struct guest *to);

#endif
