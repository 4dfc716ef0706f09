import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** Fields of the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst). */
const SETUP_SECTS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** As `lz4 -l` begins. */
const LZ4 = 0x184c2102;
const ROOM = 1 << 28;

/** Unpacks the kernel of a Debian image, which QEMU starts as it is (PVH): an emulated processor takes minutes for it. */
export function unpackKernel(image: string, output: string): void {
  const data = readFileSync(image);
  const start = (data.readUInt8(SETUP_SECTS) + 1) * 512 + data.readUInt32LE(PAYLOAD_OFFSET);
  // Its last four bytes say how long it will be.
  const payload = data.subarray(start, start + data.readUInt32LE(PAYLOAD_LENGTH) - 4);
  if (payload.readUInt32LE(0) !== LZ4) throw new Error(`${image}: this kernel is not packed by lz4`);
  writeFileSync(output, execFileSync('lz4', ['-dc'], { input: payload, maxBuffer: ROOM }));
}
