import { frame } from '../../helpers/net/frames.js';

/** Frames of the guests in the machine, and of the network outside. */

export const multicast = '33:33:00:00:00:01';
export const outside = '02:00:00:00:01:01';

/** The frame as a guest knows it. */
export function plain(to: string, from: string, seed: number): Buffer {
  return frame({ to, from, length: 80, seed });
}

/** The same as the network does. */
export function tagged(to: string, from: string, seed: number, vlan: number): Buffer {
  const inner = plain(to, from, seed);
  return Buffer.concat([inner.subarray(0, 12), Buffer.from([0x81, 0, vlan >> 8, vlan & 0xff]), inner.subarray(12)]);
}
