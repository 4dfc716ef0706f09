/* The tests of this directory; each runs in a process of its own (main.c). */
#ifndef VH_TEST_CUSE_TESTS_H
#define VH_TEST_CUSE_TESTS_H

#define VH_CUSE_TESTS(X)                                                                                     \
	X(shapes)                                                                                            \
	X(life_of_a_guest)                                                                                   \
	X(features)                                                                                          \
	X(two_pairs)                                                                                         \
	X(who_may_own)                                                                                       \
	X(opens_are_limited)                                                                                 \
	X(away_at_the_start)                                                                                 \
	X(away_while_it_runs)                                                                                \
	X(another_process_goes_on)                                                                           \
	X(interrupts_move)                                                                                   \
	X(memory_changes)                                                                                    \
	X(log_is_carried_over)                                                                               \
	X(log_ends)                                                                                          \
	X(log_of_a_lost_link)                                                                                \
	X(log_moves_and_grows)                                                                               \
	X(log_of_two_pairs)                                                                                  \
	X(log_mistakes)                                                                                      \
	X(mistakes)                                                                                          \
	X(back_end_troubles)                                                                                 \
	X(any_order)                                                                                         \
	X(node_numbers)                                                                                      \
	X(node_of_a_name)                                                                                    \
	X(proc_numbers)                                                                                      \
	X(proc_regions)                                                                                      \
	X(proc_hostile)                                                                                      \
	X(proc_files)                                                                                        \
	X(proc_real)

/* An empty directory of the running test; its parent clears it away, however the test ends. */
extern char test_dir[];

#define VH_CUSE_DECLARE(name) void test_##name(void);
VH_CUSE_TESTS(VH_CUSE_DECLARE)
#undef VH_CUSE_DECLARE

#endif
