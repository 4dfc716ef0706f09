import { frame, writePcap } from '../../helpers/net/frames.js';
import { rings } from '../cases.js';
import type { Rings } from '../cases.js';

/**
 * The rows of the network side: DPDK's `net_pcap` and `net_null` for the card. One gives frames as fast as anybody takes
 * them, the other takes as many as it is given, so that what is left to measure is the switch and the guest's ring.
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

/** What the card's frames are for, and who sends them. */
export const guestMac = '02:00:00:00:00:0d';
/** Of a machine beyond the card, to which the guest sends. */
export const beyondMac = '02:00:00:00:00:0c';

/** As many as a round takes. */
const FRAMES = 64;

/**
 * DPDK's name of the device and its arguments. What comes from the card has to have addresses, since a bridge forwards
 * nothing from 00:00:00:00:00:00, which is who sends the frames of `net_null`; so `net_pcap` repeats a file in `dir`.
 */
export async function cardDevice({ direction, length }: NicCase, dir: string, index = 0): Promise<string> {
  if (direction === 'transmit') return `net_null${index},size=${length},no-rx=1`;
  const file = `${dir}/card${index}-${length}`;
  const frames = Array.from({ length: FRAMES }, () => frame({ to: guestMac, from: beyondMac, length }));
  await writePcap(file, frames);
  return `net_pcap${index},rx_pcap=${file},infinite_rx=1`;
}
