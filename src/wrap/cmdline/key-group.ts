import type { Group, Value } from './option-group.js';

interface Entry {
  /** As it was written, without the comma that ends it. */
  readonly raw: string;
  readonly key: string;
  readonly value: string;
}

/** Cuts at single commas; a doubled comma is a comma of the value. */
function splitCommas(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let comma = text.indexOf(','); comma >= 0;) {
    const doubled = text[comma + 1] === ',';
    if (!doubled) {
      parts.push(text.slice(start, comma));
      start = comma + 1;
    }
    comma = text.indexOf(',', comma + (doubled ? 2 : 1));
  }
  parts.push(text.slice(start));
  return parts;
}

function parseEntry(raw: string, implied: string | undefined): Entry {
  const equals = raw.indexOf('=');
  const comma = raw.indexOf(',');
  const hasKey = equals >= 0 && (comma < 0 || equals < comma);
  if (hasKey) return { raw, key: raw.slice(0, equals), value: raw.slice(equals + 1).replaceAll(',,', ',') };
  if (implied !== undefined) return { raw, key: implied, value: raw.replaceAll(',,', ',') };
  // The old short forms of a boolean: `vhost` and `novhost`.
  return raw.startsWith('no') && raw.length > 2
    ? { raw, key: raw.slice(2), value: 'off' }
    : { raw, key: raw, value: 'on' };
}

function printValue(value: Value): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value).replaceAll(',', ',,');
}

/** `a=b,c=d`, QEMU's oldest form. Of a repeated key the last one counts. */
export class KeyGroup implements Group {
  readonly form = 'keys';

  private constructor(private readonly entries: readonly Entry[]) {}

  static parse(text: string, implied: string | undefined): KeyGroup {
    return new KeyGroup(splitCommas(text).map((raw, i) => parseEntry(raw, i === 0 ? implied : undefined)));
  }

  keys(): string[] {
    return this.entries.map((entry) => entry.key);
  }

  get(key: string): string | undefined {
    return this.entries.findLast((entry) => entry.key === key)?.value;
  }

  getAll(key: string): string[] {
    return this.entries.filter((entry) => entry.key === key).map((entry) => entry.value);
  }

  set(key: string, value: Value): KeyGroup {
    const at = this.entries.findLastIndex((entry) => entry.key === key);
    const text = printValue(value);
    // A value in first place that was written without its key stays so.
    const bare = at === 0 && !(this.entries[0]?.raw.startsWith(`${key}=`) ?? false);
    const entry: Entry = { raw: bare ? text : `${key}=${text}`, key, value: text.replaceAll(',,', ',') };
    if (at >= 0) return new KeyGroup(this.entries.with(at, entry));
    const filled = this.entries.filter((old) => old.raw !== '');
    return new KeyGroup([...filled, entry]);
  }

  remove(key: string): KeyGroup {
    return new KeyGroup(this.entries.filter((entry) => entry.key !== key));
  }

  toString(): string {
    return this.entries.map((entry) => entry.raw).join(',');
  }
}
