/** Limits of the switch, for those who plan for it without its addon; a unit test compares them with the C headers. */

/** Queue pairs of one port (`VH_MAX_PAIRS` in native/core/defs.h). */
export const MAX_QUEUE_PAIRS = 8;
