/*
 * Every test there is: X(name, whether it belongs to the ThreadSanitizer run too, ring types it runs on). The
 * last one looks at what the others have exercised.
 */
#ifndef VH_TEST_TESTS_H
#define VH_TEST_TESTS_H

#include "../switch/mac_table.h"

#include <stdbool.h>

/* Ring types; a test runs once for each of them, see main.c. NONE: once, and chooses for itself. */
enum { NONE = 0, SPLIT = 1, PACKED = 2, ALL = SPLIT | PACKED };

#define VH_TESTS(X)                                                                                          \
	X(guest_mem_add, false, NONE)                                                                        \
	X(guest_mem_translate, false, NONE)                                                                  \
	X(iotlb_model, false, NONE)                                                                          \
	X(iotlb_misses, false, NONE)                                                                         \
	X(iotlb_full, false, NONE)                                                                           \
	X(iotlb_whole, false, NONE)                                                                          \
	X(iova_tx_waits, false, ALL)                                                                         \
	X(iova_rx_waits, false, ALL)                                                                         \
	X(iova_permissions, false, ALL)                                                                      \
	X(iova_gives_up, false, ALL)                                                                         \
	X(iova_hostile, false, ALL)                                                                          \
	X(pieces_talk, false, ALL)                                                                           \
	X(pieces_broken, false, SPLIT)                                                                       \
	X(pieces_find, false, NONE)                                                                          \
	X(mac_learn_move_age, false, NONE)                                                                   \
	X(mac_limits, false, NONE)                                                                           \
	X(mac_share, false, NONE)                                                                            \
	X(mac_share_of_uplink, false, NONE)                                                                  \
	X(mac_fight, false, NONE)                                                                            \
	X(mac_random_model, false, NONE)                                                                     \
	X(mac_readers_and_writers, true, NONE)                                                               \
	X(sigbus_is_fixed, false, NONE)                                                                      \
	X(sigbus_leaves_nothing, false, NONE)                                                                \
	X(events_come_once, true, NONE)                                                                      \
	X(events_lost_are_counted, false, NONE)                                                              \
	X(events_after_a_stopped_reader, false, NONE)                                                        \
	X(copy_exact, false, NONE)                                                                           \
	X(vq_setup_refusals, false, NONE)                                                                    \
	X(vq_setup_packed, false, NONE)                                                                      \
	X(guest_takes_batches, false, NONE)                                                                  \
	X(dirty_log_marks, false, NONE)                                                                      \
	X(dirty_log_every_write, false, ALL)                                                                 \
	X(dirty_log_scattered, false, ALL)                                                                   \
	X(dirty_log_used_ring, false, ALL)                                                                   \
	X(dirty_log_setup, false, ALL)                                                                       \
	X(tx_discard, false, ALL)                                                                            \
	X(tx_discard_is_found_again, false, PACKED)                                                          \
	X(tx_every_layout, false, ALL)                                                                       \
	X(tx_single_is_zero_copy, false, ALL)                                                                \
	X(tx_drop_reasons, false, ALL)                                                                       \
	X(tx_index_wrap, false, ALL)                                                                         \
	X(tx_batch_limit, false, ALL)                                                                        \
	X(tx_long_chains_keep_order, false, ALL)                                                             \
	X(tx_packed_table_marked_writable, false, PACKED)                                                    \
	X(rx_every_layout, false, ALL)                                                                       \
	X(rx_mergeable_many_buffers, false, ALL)                                                             \
	X(rx_full_ring_is_untouched, false, ALL)                                                             \
	X(rx_too_long, false, ALL)                                                                           \
	X(rx_bad_chains_come_back_empty, false, ALL)                                                         \
	X(rx_index_wrap, false, ALL)                                                                         \
	X(notify_flags, false, ALL)                                                                          \
	X(notify_event_index, false, ALL)                                                                    \
	X(notify_random_interleavings, false, ALL)                                                           \
	X(notify_two_sleepers, true, ALL)                                                                    \
	X(calls_stand_still, true, NONE)                                                                     \
	X(calls_dear, true, NONE)                                                                            \
	X(calls_preempted, true, NONE)                                                                       \
	X(calls_moderated, true, NONE)                                                                       \
	X(calls_asking, true, NONE)                                                                          \
	X(notify_race, true, ALL)                                                                            \
	X(linger, false, SPLIT)                                                                              \
	X(linger_short_ring, false, SPLIT)                                                                   \
	X(linger_interrupts, false, SPLIT)                                                                   \
	X(linger_event_index, false, SPLIT)                                                                  \
	X(linger_stop, false, SPLIT)                                                                         \
	X(switch_learns_and_floods, false, NONE)                                                             \
	X(addresses_reserved, false, NONE)                                                                   \
	X(addresses_sources, false, NONE)                                                                    \
	X(addresses_mixed, false, ALL)                                                                       \
	X(switch_moves, false, NONE)                                                                         \
	X(switch_vlans, false, NONE)                                                                         \
	X(switch_short_first_segment, false, ALL)                                                            \
	X(switch_order_of_flood_and_unicast, false, ALL)                                                     \
	X(switch_drops_without_receiver, false, NONE)                                                        \
	X(switch_removed_port, false, NONE)                                                                  \
	X(switch_learn_hook, false, NONE)                                                                    \
	X(parked_delivers_in_order_once, false, ALL)                                                         \
	X(parked_goes_on_bit_by_bit, false, ALL)                                                             \
	X(parked_others_go_on, false, ALL)                                                                   \
	X(parked_stalled_receiver, false, ALL)                                                               \
	X(parked_slow_receiver, false, ALL)                                                                  \
	X(parked_never_without_retry, false, ALL)                                                            \
	X(parked_more_rounds_than_places, false, ALL)                                                        \
	X(parked_receiver_leaves, false, ALL)                                                                \
	X(parked_receiver_comes_back, false, ALL)                                                            \
	X(flush_ends_parked_rounds, false, ALL)                                                              \
	X(flush_before_reset, false, ALL)                                                                    \
	X(flush_after_receiver_left, false, ALL)                                                             \
	X(flow_keeps_its_queue, false, ALL)                                                                  \
	X(flow_any_queues, false, ALL)                                                                       \
	X(flow_order_with_full_queues, false, ALL)                                                           \
	X(flow_headers_apart, false, ALL)                                                                    \
	X(offload_header_goes_on, false, ALL)                                                                \
	X(offload_header_is_ignored, false, ALL)                                                             \
	X(offload_bad_headers, false, ALL)                                                                   \
	X(offload_random_headers, false, ALL)                                                                \
	X(offload_what_is_finished, false, ALL)                                                              \
	X(offload_order, false, ALL)                                                                         \
	X(offload_cut_goes_on_bit_by_bit, false, ALL)                                                        \
	X(offload_cut_without_retry, false, ALL)                                                             \
	X(offload_cut_is_no_stall, false, ALL)                                                               \
	X(offload_cut_flooded, false, ALL)                                                                   \
	X(offload_cut_flushed, false, ALL)                                                                   \
	X(offload_cannot_be_finished, false, ALL)                                                            \
	X(uplink_both_ways, false, ALL)                                                                      \
	X(uplink_unknown_unicast, false, NONE)                                                               \
	X(uplink_does_not_take_addresses, false, NONE)                                                       \
	X(uplink_parked, false, ALL)                                                                         \
	X(uplink_full_or_gone, false, ALL)                                                                   \
	X(uplink_isolated_guests, false, NONE)                                                               \
	X(card_between_guests, false, NONE)                                                                  \
	X(card_groups_come_once, false, NONE)                                                                \
	X(card_is_not_asked, false, NONE)                                                                    \
	X(pool_layouts, false, NONE)                                                                         \
	X(hold_returns_in_order, false, ALL)                                                                 \
	X(hold_mixed, false, ALL)                                                                            \
	X(hold_full, false, ALL)                                                                             \
	X(hold_surrender, false, ALL)                                                                        \
	X(hold_hostile, false, SPLIT)                                                                        \
	X(hold_threads, true, ALL)                                                                           \
	X(uplink_checked_frames, false, ALL)                                                                 \
	X(uplink_unfinished_frames, false, NONE)                                                             \
	X(uplink_several_queues, false, NONE)                                                                \
	X(layers_plain, false, NONE)                                                                         \
	X(layers_odd, false, NONE)                                                                           \
	X(layers_random, false, NONE)                                                                        \
	X(uplink_waits_in_bounds, false, ALL)                                                                \
	X(uplink_waits_again, false, NONE)                                                                   \
	X(vlan_who_gets_what, false, NONE)                                                                   \
	X(vlan_every_layout, false, ALL)                                                                     \
	X(vlan_whatever_is_sent, false, ALL)                                                                 \
	X(vlan_two_tags, false, NONE)                                                                        \
	X(vlan_rewritten_by_a_thread, false, NONE)                                                           \
	X(vlan_changed_meanwhile, false, ALL)                                                                \
	X(vlan_lengths, false, ALL)                                                                          \
	X(vlan_offloads, false, ALL)                                                                         \
	X(conservation, false, NONE)                                                                         \
	X(hot_builds, false, ALL)                                                                            \
	X(threads_into_one_ring, true, ALL)                                                                  \
	X(threads_all_to_all, true, ALL)                                                                     \
	X(threads_flush, true, ALL)                                                                          \
	X(hostile_tx_descriptors, false, ALL)                                                                \
	X(hostile_tx_ring, false, SPLIT)                                                                     \
	X(hostile_rx_descriptors, false, ALL)                                                                \
	X(hostile_rx_ring, false, SPLIT)                                                                     \
	X(restart_at_every_store, false, PACKED)                                                             \
	X(restart_behind_iommu, false, PACKED)                                                               \
	X(hostile_take_over, false, PACKED)                                                                  \
	X(records_outlive_the_process, false, NONE)                                                          \
	X(records_of_another_kind, false, NONE)                                                              \
	X(records_of_another_process, false, NONE)                                                           \
	X(peer_is_there_or_not, false, NONE)                                                                 \
	X(owner_is_the_process_that_claimed, false, NONE)                                                    \
	X(owner_is_a_user, false, NONE)                                                                      \
	X(owner_is_in_a_file, false, NONE)                                                                   \
	X(socket_file_is_not_led_elsewhere, false, NONE)                                                     \
	X(socket_file_is_only_a_fresh_socket, false, NONE)                                                   \
	X(hostile_packed_endless, false, PACKED)                                                             \
	X(hostile_packed_longest, false, PACKED)                                                             \
	X(hostile_packed_forged_flags, false, PACKED)                                                        \
	X(hostile_random_descriptors, false, ALL)                                                            \
	X(work_bound_tx, false, ALL)                                                                         \
	X(work_bound_rx, false, ALL)                                                                         \
	X(hostile_rewriting_thread, false, ALL)                                                              \
	X(last_every_drop_reason_fired, false, NONE)

#define VH_TEST_DECLARE(name, concurrent, rings) void test_##name(void);
VH_TESTS(VH_TEST_DECLARE)
#undef VH_TEST_DECLARE

/* The port that an address was learned on, or VH_NO_PORT. */
static inline uint16_t mac_lookup(const struct vh_mac_table *t, uint64_t key)
{
	return vh_mac_lookup(t, key, vh_mac_place(t, key));
}

#endif
