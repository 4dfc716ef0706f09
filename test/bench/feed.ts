import type { Case } from './cases.js';
import { framesPerDirection } from './cases.js';

/** The frames that circle: made before, checked after. Every one is told apart by its IP identification. */

export const guestMacs = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'] as const;
const guestIps = ['c6120001', 'c6120002'] as const; // 198.18.0.0/15 is for benchmarks

const ethernet = 14;
const ip = 20;
const udp = 8;
const head = ethernet + ip + udp;
const identification = ethernet + 4;
const ipChecksum = ethernet + 10;
const udpChecksum = ethernet + ip + 6;
const port = 9;
/** Set in the identification of frames that start at the second guest. */
const directionBit = 0x8000;

/** The Internet checksum of some bytes, begun with a partial sum. */
export function checksum(data: Buffer, start = 0): number {
  let sum = start;
  for (let i = 0; i + 1 < data.length; i += 2) sum += data.readUInt16BE(i);
  if (data.length % 2 === 1) sum += (data.at(-1) ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The UDP checksum that a frame should carry; its own field is left out. */
export function udpChecksumOf(frame: Buffer): number {
  const segment = Buffer.from(frame.subarray(ethernet + ip));
  segment.writeUInt16BE(0, 6);
  let pseudo = 17 + segment.length;
  for (let at = ethernet + 12; at < ethernet + ip; at += 2) pseudo += frame.readUInt16BE(at);
  // 0 stands for "none", so a sum of 0 is written as its other form.
  return checksum(segment, pseudo) || 0xffff;
}

/**
 * A UDP frame from one guest to the other. Its UDP checksum is there but wrong: a guest that computes checksums fixes
 * it, and only such a guest. (testpmd leaves out the computation where it finds 0, which is what its own frames carry.)
 */
export function makeFrame(direction: 0 | 1, number: number, length: number): Buffer {
  const frame = Buffer.alloc(length);
  const to = direction === 0 ? 1 : 0;
  frame.write(guestMacs[to].replaceAll(':', ''), 0, 'hex');
  frame.write(guestMacs[direction].replaceAll(':', ''), 6, 'hex');
  frame.writeUInt16BE(0x0800, 12);
  frame.writeUInt16BE(0x4500, ethernet);
  frame.writeUInt16BE(length - ethernet, ethernet + 2);
  frame.writeUInt16BE(number | (direction === 1 ? directionBit : 0), identification);
  frame.writeUInt16BE(0x4011, ethernet + 8); // 64 hops, UDP
  frame.write(guestIps[direction], ethernet + 12, 'hex');
  frame.write(guestIps[to], ethernet + 16, 'hex');
  frame.writeUInt16BE(checksum(frame.subarray(ethernet, ethernet + ip)), ipChecksum);
  frame.writeUInt16BE(port, ethernet + ip);
  frame.writeUInt16BE(port, ethernet + ip + 2);
  frame.writeUInt16BE(length - ethernet - ip, ethernet + ip + 4);
  for (let i = head; i < length; i++) frame[i] = (number * 31 + direction * 101 + i * 7 + (i >> 8)) & 0xff;
  frame.writeUInt16BE(udpChecksumOf(frame) ^ 0x5555 || 1, udpChecksum);
  return frame;
}

/** What starts at a guest. */
export function framesFrom(direction: 0 | 1, c: Case): Buffer[] {
  return Array.from({ length: framesPerDirection(c) }, (_, number) =>
    makeFrame(direction, number, c.lengths[number % c.lengths.length] ?? 0),
  );
}

function complaintAbout(frame: Buffer, c: Case): string | undefined {
  if (frame.length < head) return `a frame of ${frame.length} bytes`;
  const id = frame.readUInt16BE(identification);
  const number = id & ~directionBit;
  const length = c.lengths[number % c.lengths.length] ?? 0;
  if (number >= framesPerDirection(c)) return `a frame with number ${number}, which was never sent`;
  if (frame.length !== length) return `frame ${id} came back with ${frame.length} bytes instead of ${length}`;
  const sent = makeFrame(id === number ? 0 : 1, number, length);
  if (c.mode === 'csum') sent.writeUInt16BE(udpChecksumOf(sent), udpChecksum);
  // The MAC addresses are rewritten by the guests.
  if (frame.subarray(12).equals(sent.subarray(12))) return undefined;
  return frame.subarray(head).equals(sent.subarray(head))
    ? `frame ${id} came back with UDP checksum 0x${frame.readUInt16BE(udpChecksum).toString(16)}`
    : `frame ${id} came back with another payload`;
}

/** Fails unless these are frames of this case, each once and as the guests have to leave it. */
export function checkReturned(frames: readonly Buffer[], c: Case): void {
  const seen = new Set<number>();
  for (const frame of frames) {
    const complaint = complaintAbout(frame, c);
    if (complaint !== undefined) throw new Error(`${c.id}: ${complaint}`);
    const id = frame.readUInt16BE(identification);
    if (seen.has(id)) throw new Error(`${c.id}: frame ${id} came back twice`);
    seen.add(id);
  }
}
