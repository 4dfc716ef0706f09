/** Queue pairs of one port at most: VH_MAX_PAIRS of native/base/defs.h, for who works without the addon. */
export const MAX_QUEUE_PAIRS = 64;
