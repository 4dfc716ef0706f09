import type { Host } from '../host/host.js';

/** What can be known about a QEMU without starting it, which would cost a guest half a second. */

export type EmulatorHost = Pick<Host, 'readBytes'>;

/** Of ELF-64 in little-endian order: offsets and sizes in bytes (System V ABI, "Object Files"; elf.h). */
const MAGIC = Buffer.from('\x7fELF\x02\x01', 'latin1');
const HEADER = { size: 64, sections: 0x28, entrySize: 0x3a, entries: 0x3c, names: 0x3e };
const SECTION = { size: 64, name: 0, offset: 0x18, length: 0x20 };
/** A QEMU for all that Debian builds has 2 MiB of constants. */
const MOST_CONSTANTS = 64 * 2 ** 20;

interface Section {
  readonly name: number;
  readonly offset: number;
  readonly length: number;
}

/** What is read from there; fewer bytes than asked for are none. */
async function exactly(host: EmulatorHost, path: string, offset: number, length: number): Promise<Buffer | undefined> {
  if (!Number.isSafeInteger(offset + length) || length > MOST_CONSTANTS) return undefined;
  const bytes = await host.readBytes(path, { offset, length });
  return bytes?.length === length ? bytes : undefined;
}

/** The constants of a program; undefined where it is no such program: a script, or one for another machine. */
async function constantsOf(host: EmulatorHost, path: string): Promise<Buffer | undefined> {
  const header = await exactly(host, path, 0, HEADER.size);
  if (header?.subarray(0, MAGIC.length).equals(MAGIC) !== true) return undefined;
  if (header.readUInt16LE(HEADER.entrySize) !== SECTION.size) return undefined;
  const entries = header.readUInt16LE(HEADER.entries);
  const table = await exactly(host, path, Number(header.readBigUInt64LE(HEADER.sections)), entries * SECTION.size);
  if (table === undefined) return undefined;
  const sections: Section[] = Array.from({ length: entries }, (_, i) => ({
    name: table.readUInt32LE(i * SECTION.size + SECTION.name),
    offset: Number(table.readBigUInt64LE(i * SECTION.size + SECTION.offset)),
    length: Number(table.readBigUInt64LE(i * SECTION.size + SECTION.length)),
  }));
  const strings = sections[header.readUInt16LE(HEADER.names)];
  const names = strings && (await exactly(host, path, strings.offset, strings.length));
  const constants = sections.find(({ name }) => names?.subarray(name).indexOf('.rodata\0') === 0);
  return constants && (await exactly(host, path, constants.offset, constants.length));
}

/**
 * Whether a socket's chardev has `reconnect-ms`, as since QEMU 9.2, where `reconnect` is deprecated. The name is in the
 * program's text where it can be parsed, whatever version a distribution put it into. False where nothing can be known.
 */
export async function takesReconnectMs(host: EmulatorHost, path: string): Promise<boolean> {
  // One that may be started and not read is started all the same.
  const constants = await constantsOf(host, path).catch(() => undefined);
  return constants?.includes('\0reconnect-ms\0') ?? false;
}
