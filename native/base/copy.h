/*
 * Copying frames. Lengths are known to be at least 1; source and destination never overlap (they belong to
 * different guests, or one is ours).
 *
 * Short lengths are copied by two overlapping blocks each, so that there is one branch per power of two and
 * no byte loop; long ones go to memcpy, which the C library picks for the CPU. 256: above it memcpy's fixed
 * cost no longer shows.
 */
#ifndef VH_BASE_COPY_H
#define VH_BASE_COPY_H

#include <stdint.h>
#include <string.h>

/* Types of their own: the attributes count only where they are part of a declared type. */
typedef uint32_t vh_block4 __attribute__((aligned(1), may_alias));
typedef uint64_t vh_block8 __attribute__((aligned(1), may_alias));
typedef uint8_t vh_block16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t vh_block32 __attribute__((vector_size(32), aligned(1), may_alias));

#define VH_COPY_BLOCK(type, d, s) (*(type *)(void *)(d) = *(const type *)(const void *)(s))

static inline void vh_copy_small(uint8_t *d, const uint8_t *s, uint32_t n)
{
	if (n >= 8) {
		VH_COPY_BLOCK(vh_block8, d, s);
		VH_COPY_BLOCK(vh_block8, d + n - 8, s + n - 8);
	} else if (n >= 4) {
		VH_COPY_BLOCK(vh_block4, d, s);
		VH_COPY_BLOCK(vh_block4, d + n - 4, s + n - 4);
	} else {
		d[0] = s[0];
		d[n / 2] = s[n / 2];
		d[n - 1] = s[n - 1];
	}
}

static inline void vh_copy(uint8_t *d, const uint8_t *s, uint32_t n)
{
	if (n > 256) {
		memcpy(d, s, n);
		return;
	}
	if (n < 16) {
		vh_copy_small(d, s, n);
		return;
	}
	if (n <= 32) {
		VH_COPY_BLOCK(vh_block16, d, s);
		VH_COPY_BLOCK(vh_block16, d + n - 16, s + n - 16);
		return;
	}
	for (uint32_t i = 0; i + 32 < n; i += 32)
		VH_COPY_BLOCK(vh_block32, d + i, s + i);
	VH_COPY_BLOCK(vh_block32, d + n - 32, s + n - 32);
}

#endif
