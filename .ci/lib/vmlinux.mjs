import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { TaskError } from './task.mjs';

/** Fields of the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst). */
const setupSects = 0x1f1;
const payloadOffset = 0x248;
const payloadLength = 0x24c;
/** As `lz4 -l` begins. */
const lz4 = 0x184c2102;
const room = 1 << 28;

/**
 * Unpacks the kernel of a Debian image, which QEMU starts as it is (PVH): an emulated processor takes a second for it,
 * and one within an emulated machine takes minutes.
 */
export function unpackKernel(image, output) {
  const data = readFileSync(image);
  const start = (data.readUInt8(setupSects) + 1) * 512 + data.readUInt32LE(payloadOffset);
  // Its last four bytes say how long it will be.
  const payload = data.subarray(start, start + data.readUInt32LE(payloadLength) - 4);
  if (payload.readUInt32LE(0) !== lz4) throw new TaskError(`${image}: this kernel is not packed by lz4`);
  writeFileSync(output, execFileSync('lz4', ['-dc'], { input: payload, maxBuffer: room }));
}
