import { rings } from './cases.js';
import type { Rings } from './cases.js';

/**
 * The rows of the network side: DPDK's `net_null` for the card. It gives frames as fast as anybody takes them, and
 * takes as many as it is given, so that all that is left to measure is the switch and the guest's ring.
 */

/** `receive`: from the card to the guest; `transmit`: from the guest to the card. */
export type Direction = 'receive' | 'transmit';

export interface NicCase {
  readonly id: string;
  readonly direction: Direction;
  /** In bytes, without the checksum of Ethernet. */
  readonly length: number;
  readonly rings: Rings;
}

const lengths = [64, 1500] as const;

export const nicCases: readonly NicCase[] = (['receive', 'transmit'] as const).flatMap((direction) =>
  [rings.split, rings.packed].flatMap((ring) =>
    lengths.map((length) => ({ id: `${direction}/${ring.name}/${length}`, direction, length, rings: ring })),
  ),
);

/** Frames of `net_null` are all zeroes, addresses included. */
export const nullMac = '00:00:00:00:00:00';
/** Of a machine beyond the card, to which the guest sends. */
export const beyondMac = '02:00:00:00:00:0c';

/** DPDK's name of the device and its arguments. */
export function nullDevice({ direction, length }: NicCase, index = 0): string {
  return `net_null${index},size=${length}${direction === 'transmit' ? ',no-rx=1' : ''}`;
}
