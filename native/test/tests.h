/*
 * Every test there is: X(name, whether it belongs to the ThreadSanitizer run too). The last one looks at what
 * the others have exercised.
 */
#ifndef VH_TEST_TESTS_H
#define VH_TEST_TESTS_H

#include <stdbool.h>

#define VH_TESTS(X)                                                                                          \
	X(guest_mem_add, false)                                                                              \
	X(guest_mem_translate, false)                                                                        \
	X(mac_learn_move_age, false)                                                                         \
	X(mac_limits, false)                                                                                 \
	X(mac_random_model, false)                                                                           \
	X(mac_readers_and_writers, true)                                                                     \
	X(copy_exact, false)                                                                                 \
	X(vq_setup_refusals, false)                                                                          \
	X(tx_every_layout, false)                                                                            \
	X(tx_single_is_zero_copy, false)                                                                     \
	X(tx_drop_reasons, false)                                                                            \
	X(tx_index_wrap, false)                                                                              \
	X(tx_batch_limit, false)                                                                             \
	X(tx_long_chains_keep_order, false)                                                                  \
	X(rx_every_layout, false)                                                                            \
	X(rx_mergeable_many_buffers, false)                                                                  \
	X(rx_full_ring_is_untouched, false)                                                                  \
	X(rx_too_long, false)                                                                                \
	X(rx_bad_chains_come_back_empty, false)                                                              \
	X(rx_index_wrap, false)                                                                              \
	X(notify_flags, false)                                                                               \
	X(notify_event_index, false)                                                                         \
	X(notify_random_interleavings, false)                                                                \
	X(notify_two_sleepers, true)                                                                         \
	X(notify_race, true)                                                                                 \
	X(switch_learns_and_floods, false)                                                                   \
	X(switch_moves, false)                                                                               \
	X(switch_vlans, false)                                                                               \
	X(switch_short_first_segment, false)                                                                 \
	X(switch_order_of_flood_and_unicast, false)                                                          \
	X(switch_drops_without_receiver, false)                                                              \
	X(switch_removed_port, false)                                                                        \
	X(switch_pairs, false)                                                                               \
	X(switch_learn_hook, false)                                                                          \
	X(conservation, false)                                                                               \
	X(threads_into_one_ring, true)                                                                       \
	X(threads_all_to_all, true)                                                                          \
	X(hostile_tx_descriptors, false)                                                                     \
	X(hostile_tx_ring, false)                                                                            \
	X(hostile_rx_descriptors, false)                                                                     \
	X(hostile_rx_ring, false)                                                                            \
	X(hostile_random_descriptors, false)                                                                 \
	X(hostile_rewriting_thread, false)                                                                   \
	X(last_every_drop_reason_fired, false)

#define VH_TEST_DECLARE(name, concurrent) void test_##name(void);
VH_TESTS(VH_TEST_DECLARE)
#undef VH_TEST_DECLARE

#endif
