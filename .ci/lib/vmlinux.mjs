import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { TaskError } from './task.mjs';
import { unpackers } from './unpackers.mjs';

/** Fields of the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst). */
const setupSects = 0x1f1;
const payloadOffset = 0x248;
const payloadLength = 0x24c;
/** What each way of packing begins with, by the end of its files' names. */
const magics = {
  gz: '1f8b',
  xz: 'fd377a585a00',
  zst: '28b52ffd',
  // As `lz4 -l` begins.
  lz4: '02214c18',
};
const room = 1 << 28;

/**
 * Unpacks the kernel of a Debian image, which QEMU starts as it is (PVH): an emulated processor takes a second for it,
 * and one within an emulated machine takes minutes.
 */
export function unpackKernel(image, output) {
  const data = readFileSync(image);
  const start = (data.readUInt8(setupSects) + 1) * 512 + data.readUInt32LE(payloadOffset);
  const payload = data.subarray(start, start + data.readUInt32LE(payloadLength));
  const kind = Object.keys(magics).find((name) => payload.toString('hex', 0, 8).startsWith(magics[name]));
  if (kind === undefined)
    throw new TaskError(`${image}: this kernel is packed in none of the ways ${Object.keys(magics).join(', ')}`);
  // The last four bytes say how long it will be, and are gzip's own where it is packed by that.
  const input = kind === 'gz' ? payload : payload.subarray(0, -4);
  const [command, ...options] = unpackers[kind];
  writeFileSync(output, execFileSync(command, [...options, '-c'], { input, maxBuffer: room }));
}
