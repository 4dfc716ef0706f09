/** The rows of the measurement: which frames, over which rings, with what the guests do to them. */

export interface Rings {
  readonly name: string;
  /** virtio-user's device arguments; every one that matters is spelt out, since its defaults are not QEMU's. */
  readonly device: string;
  /** Receive buffers may be joined: a frame may be larger than one. */
  readonly mergeable: boolean;
}

export interface Case {
  readonly id: string;
  /** For people, e.g. `1500 B` or `IMIX`. */
  readonly frame: string;
  /** Lengths that follow each other for ever, in bytes without the checksum of Ethernet. */
  readonly lengths: readonly number[];
  readonly rings: Rings;
  /** `mac`: guests look at the header only; `csum`: they read every byte to compute the UDP checksum. */
  readonly mode: 'mac' | 'csum';
}

export const rings = {
  split: { name: 'split', device: 'packed_vq=0,in_order=0,mrg_rxbuf=1', mergeable: true },
  splitVector: { name: 'split-vec', device: 'packed_vq=0,in_order=0,mrg_rxbuf=0,vectorized=1', mergeable: false },
  splitInOrder: {
    name: 'split-inorder-vec',
    device: 'packed_vq=0,in_order=1,mrg_rxbuf=0,vectorized=1',
    mergeable: false,
  },
  packed: { name: 'packed', device: 'packed_vq=1,in_order=0,mrg_rxbuf=1', mergeable: true },
  packedInOrder: {
    name: 'packed-inorder-vec',
    device: 'packed_vq=1,in_order=1,mrg_rxbuf=0,vectorized=1',
    mergeable: false,
  },
} as const satisfies Record<string, Rings>;

/** The "simple IMIX": 7 of 64, 4 of 594 and 1 of 1518 bytes, in an order that mixes them. */
const imix = [64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594, 64];

const frames: readonly { name: string; label: string; lengths: readonly number[]; joined?: true }[] = [
  { name: '64', label: '64 B', lengths: [64] },
  { name: '256', label: '256 B', lengths: [256] },
  { name: '1500', label: '1500 B', lengths: [1500] },
  { name: '9000', label: '9000 B', lengths: [9000], joined: true },
  { name: 'imix', label: 'IMIX', lengths: imix },
];

const plain: readonly Case[] = Object.values(rings).flatMap((ring) =>
  frames
    .filter(({ joined }) => joined === undefined || ring.mergeable)
    .map(({ name, label, lengths }) => ({
      ...{ id: `${ring.name}/${name}`, frame: label, lengths },
      ...{ rings: ring, mode: 'mac' as const },
    })),
);

const touched: readonly Case[] = frames
  .filter(({ name }) => name === '64' || name === '1500')
  .map(({ name, label, lengths }) => ({
    ...{ id: `${rings.split.name}/${name}/csum`, frame: label, lengths },
    ...{ rings: rings.split, mode: 'csum' as const },
  }));

export const allCases: readonly Case[] = [...plain, ...touched];

/** Enough to see that everything works: the smallest rings and frames, and guests that compute checksums. */
const quick = ['split/64', 'split/1500/csum'];

/** The cases whose id matches, or all of them. */
export function chooseCases(pattern: RegExp | undefined, isQuick: boolean): readonly Case[] {
  if (pattern !== undefined) return allCases.filter(({ id }) => pattern.test(id));
  return isQuick ? allCases.filter(({ id }) => quick.includes(id)) : allCases;
}

/** Descriptors of each ring of each guest. */
export const ringSize = 1024;
/** Bytes of a frame and its header that one of testpmd's receive buffers takes. */
const bufferSize = 2048 + 12;
const headerSize = 12;

/** Receive buffers that the longest frame of a case takes. */
export function buffersPerFrame({ lengths }: Case): number {
  return Math.ceil((Math.max(...lengths) + headerSize) / bufferSize);
}

/**
 * Frames that circle in each of the two directions. A direction's frames are in one transmit ring, in one receive ring,
 * or in a burst between them; half a ring of them can never fill one, so a lost frame is somebody's fault.
 */
export function framesPerDirection(c: Case): number {
  return Math.floor(ringSize / 2 / buffersPerFrame(c));
}
