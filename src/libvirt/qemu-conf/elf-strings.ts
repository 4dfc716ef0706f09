/**
 * Lists of strings in the data of a program or library: in C `const char *const list[] = { "a", "b", NULL }`. Read from
 * ELF files of 64 bits, of either byte order. Pointers in such a list are relocations with an addend, or, where the
 * linker packs them (DT_RELR), stand in the data themselves.
 */

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_RELA = 7;
const DT_RELASZ = 8;
const RELA_SIZE = 24;
/** No list that we look for is nearly as long. */
const MAX_ITEMS = 64;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

class Elf {
  readonly #bytes: Buffer;
  readonly #little: boolean;
  readonly #segments: readonly Segment[];
  readonly #relocations = new Map<number, number>();
  /** Where those are written, in the file: an addend is no pointer of the program's own. */
  #table = { start: 0, end: 0 };

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#little = bytes[5] === 1;
    const [at, size, count] = [this.#long(0x20), this.#short(0x36), this.#short(0x38)];
    const headers = Array.from({ length: count }, (_, i) => at + i * size);
    this.#segments = headers.map((header) => ({
      type: this.#word(header),
      offset: this.#long(header + 8),
      address: this.#long(header + 16),
      size: this.#long(header + 32),
    }));
    this.#readRelocations();
  }

  static is(bytes: Buffer): boolean {
    return bytes.length >= 64 && bytes.subarray(0, 5).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]));
  }

  /** Addresses at which the string stands, be it as the end of a longer one. */
  addressesOf(text: string): Set<number> {
    const wanted = Buffer.from(`${text}\0`);
    const found = new Set<number>();
    for (let at = this.#bytes.indexOf(wanted); at >= 0; at = this.#bytes.indexOf(wanted, at + 1)) {
      const segment = this.#loads().find(({ offset, size }) => offset <= at && at < offset + size);
      if (segment !== undefined) found.add(at - segment.offset + segment.address);
    }
    return found;
  }

  /** Where pointers to one of these addresses stand. */
  pointersTo(addresses: ReadonlySet<number>): number[] {
    const found = new Set([...this.#relocations].flatMap(([at, target]) => (addresses.has(target) ? [at] : [])));
    const { start: from, end: to } = this.#table;
    for (const { offset, address, size } of this.#loads()) {
      const start = (8 - (address % 8)) % 8;
      for (let at = start; at + 8 <= size && offset + at + 8 <= this.#bytes.length; at += 8) {
        const inTable = from <= offset + at && offset + at < to;
        if (!inTable && addresses.has(this.#long(offset + at))) found.add(address + at);
      }
    }
    return [...found];
  }

  /** The string that a pointer at this address leads to. */
  stringBy(place: number): string | undefined {
    const inPlace = this.#fileOffset(place);
    const target = this.#relocations.get(place) ?? (inPlace === undefined ? 0 : this.#long(inPlace));
    const start = target === 0 ? undefined : this.#fileOffset(target);
    if (start === undefined) return undefined;
    const end = this.#bytes.indexOf(0, start);
    return end < 0 ? undefined : this.#bytes.toString('latin1', start, end);
  }

  #loads(): readonly Segment[] {
    return this.#segments.filter(({ type }) => type === PT_LOAD);
  }

  #fileOffset(address: number): number | undefined {
    const segment = this.#loads().find((one) => one.address <= address && address < one.address + one.size);
    return segment === undefined ? undefined : address - segment.address + segment.offset;
  }

  #readRelocations(): void {
    const dynamic = this.#segments.find(({ type }) => type === PT_DYNAMIC);
    if (dynamic === undefined) return;
    const entries = new Map<number, number>();
    for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size && at + 16 <= this.#bytes.length; at += 16)
      entries.set(this.#long(at), this.#long(at + 8));
    const start = this.#fileOffset(entries.get(DT_RELA) ?? 0);
    if (start === undefined) return;
    const end = Math.min(start + (entries.get(DT_RELASZ) ?? 0), this.#bytes.length);
    this.#table = { start, end };
    for (let at = start; at + RELA_SIZE <= end; at += RELA_SIZE) {
      const symbol = this.#word(at + (this.#little ? 12 : 8));
      if (symbol === 0) this.#relocations.set(this.#long(at), this.#long(at + 16));
    }
  }

  #short(at: number): number {
    return this.#little ? this.#bytes.readUInt16LE(at) : this.#bytes.readUInt16BE(at);
  }

  #word(at: number): number {
    return this.#little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }

  /** Addresses and offsets of files fit into a number; what does not is no address. */
  #long(at: number): number {
    return Number(this.#little ? this.#bytes.readBigUInt64LE(at) : this.#bytes.readBigUInt64BE(at));
  }
}

/** All lists that begin with `first` and go on with strings that are `like` it; none where the file is no such ELF file. */
export function stringLists(bytes: Buffer, first: string, like: RegExp): string[][] {
  if (!Elf.is(bytes)) return [];
  try {
    const elf = new Elf(bytes);
    return elf.pointersTo(elf.addressesOf(first)).map((start) => {
      const items: string[] = [];
      for (let item = elf.stringBy(start); item !== undefined && like.test(item) && items.length < MAX_ITEMS;) {
        items.push(item);
        item = elf.stringBy(start + 8 * items.length);
      }
      return items;
    });
  } catch (error) {
    // A file that was cut off, or one that lies about itself.
    if (error instanceof RangeError) return [];
    throw error;
  }
}
