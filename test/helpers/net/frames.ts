import { readFile, writeFile } from 'node:fs/promises';

/** Ethernet frames by hand, and the pcap files by which dpdk-testpmd sends and records them. */

export interface FrameOptions {
  readonly to: string;
  readonly from: string;
  /** Bytes in total, tag included. */
  readonly length: number;
  /** 802.1Q tag, where the frame has one. */
  readonly vlan?: number;
  /** Makes the payload differ from that of other frames. */
  readonly seed?: number;
}

const local = 0x88b5; // EtherType for local experiments: no stack answers it.

function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

export function frame({ to, from, length, vlan, seed = 0 }: FrameOptions): Buffer {
  const tag = Buffer.alloc(vlan === undefined ? 0 : 4);
  if (vlan !== undefined) tag.writeUInt32BE(0x81000000 + vlan);
  const type = Buffer.from([local >> 8, local & 0xff]);
  const head = Buffer.concat([mac(to), mac(from), tag, type]);
  const payload = Buffer.alloc(length - head.length);
  // Every byte depends on its place and on the frame: a shifted, mixed up or stale byte shows.
  for (let i = 0; i < payload.length; i++) payload[i] = (seed * 31 + i * 7 + (i >> 8)) & 0xff;
  return Buffer.concat([head, payload]);
}

const magic = 0xa1b2c3d4;
const fileHeader = 24;
const recordHeader = 16;

export async function writePcap(path: string, frames: readonly Buffer[]): Promise<void> {
  const head = Buffer.alloc(fileHeader);
  head.writeUInt32LE(magic, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65535, 16);
  head.writeUInt32LE(1, 20); // Ethernet
  const records = frames.map((data) => {
    const record = Buffer.alloc(recordHeader);
    record.writeUInt32LE(data.length, 8);
    record.writeUInt32LE(data.length, 12);
    return Buffer.concat([record, data]);
  });
  await writeFile(path, Buffer.concat([head, ...records]));
}

/** The whole frames of a pcap file that may still be being written. */
export async function readPcap(path: string): Promise<Buffer[]> {
  const data = await readFile(path);
  const frames: Buffer[] = [];
  let at = fileHeader;
  while (at + recordHeader <= data.length) {
    const length = data.readUInt32LE(at + 8);
    const end = at + recordHeader + length;
    if (end > data.length) break;
    frames.push(data.subarray(at + recordHeader, end));
    at = end;
  }
  return frames;
}
