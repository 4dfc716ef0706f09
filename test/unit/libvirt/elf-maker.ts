/** Shared libraries of our own making, with nothing in them but lists of strings. */

interface Form {
  /** Pointers stand in the data themselves, as with DT_RELR; else in relocations with addends. */
  readonly packed: boolean;
  readonly little: boolean;
  /** Strings that stand before those of the lists, and are not written again. */
  readonly shared: readonly string[];
}

/** Every segment is loaded this far from where it lies in the file. */
const BASE = 0x10000;
const HEADERS = 64 + 3 * 56;

export function library(lists: readonly (readonly string[])[], { packed, little, shared }: Form): Buffer {
  const texts = new Map<string, number>();
  let strings = Buffer.alloc(0);
  const put = (text: string): number => {
    const known = texts.get(text) ?? strings.indexOf(`${text}\0`);
    if (known >= 0) return known;
    texts.set(text, strings.length);
    strings = Buffer.concat([strings, Buffer.from(`${text}\0`)]);
    return strings.length - text.length - 1;
  };
  shared.forEach(put);
  const offsets = lists.map((list) => [...list.map(put), undefined]);
  strings = Buffer.concat([strings, Buffer.alloc((8 - (strings.length % 8)) % 8)]);
  const words = offsets.flat();
  const data = HEADERS + strings.length;
  const dynamic = data + 8 * words.length;
  const rela = dynamic + 48;
  const count = packed ? 0 : words.filter((word) => word !== undefined).length;
  const bytes = Buffer.alloc(rela + 24 * count);
  const long = (at: number, value: number): void =>
    void (little ? bytes.writeBigUInt64LE(BigInt(value), at) : bytes.writeBigUInt64BE(BigInt(value), at));
  const word = (at: number, value: number): void =>
    void (little ? bytes.writeUInt32LE(value, at) : bytes.writeUInt32BE(value, at));
  const short = (at: number, value: number): void =>
    void (little ? bytes.writeUInt16LE(value, at) : bytes.writeUInt16BE(value, at));

  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, little ? 1 : 2, 1]).copy(bytes);
  long(0x20, 64);
  short(0x36, 56);
  short(0x38, 3);
  const segment = (i: number, type: number, offset: number, size: number): void => {
    const at = 64 + 56 * i;
    word(at, type);
    long(at + 8, offset);
    long(at + 16, offset + BASE);
    long(at + 32, size);
  };
  segment(0, 1, 0, data);
  segment(1, 1, data, bytes.length - data);
  segment(2, 2, dynamic, 48);
  strings.copy(bytes, HEADERS);
  let next = rela;
  words.forEach((offset, i) => {
    if (offset === undefined) return;
    const target = HEADERS + offset + BASE;
    if (packed) return long(data + 8 * i, target);
    long(next, data + 8 * i + BASE);
    // Relative, of no symbol: the type is the machine's own business.
    word(next + (little ? 8 : 12), 8);
    long(next + 16, target);
    next += 24;
  });
  long(dynamic, 7);
  long(dynamic + 8, rela + BASE);
  long(dynamic + 16, 8);
  long(dynamic + 24, 24 * count);
  return bytes;
}
