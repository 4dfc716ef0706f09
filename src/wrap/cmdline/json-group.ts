import type { Group, Value } from './option-group.js';

interface Member {
  /** From the key's opening quote to the end of the value, as it was written. */
  readonly raw: string;
  readonly key: string;
  readonly value: unknown;
}

/** A string, or what tells how deep a value lies and where it ends. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** The first token at or after `start`, and where it ends. */
function nextToken(text: string, start: number): { readonly token: string; readonly end: number } {
  TOKEN.lastIndex = start;
  const token = TOKEN.exec(text)?.[0] ?? '';
  return { token, end: token === '' ? text.length : TOKEN.lastIndex };
}

/** End of the member's value that starts at or after `start`: the comma or brace that follows, at depth 0. */
function valueEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ;) {
    const { token, end } = nextToken(text, at);
    if (token === '') return end;
    if (depth === 0 && (token === ',' || token === '}')) return end - 1;
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    at = end;
  }
}

/** A scalar as QEMU writes it on a command line. */
function asText(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/**
 * One JSON object. The text between the members is kept too, so that an edit leaves every other
 * byte alone: `gaps[i]` stands before member i, the last gap closes the object.
 */
export class JsonGroup implements Group {
  readonly form = 'json';

  private constructor(
    private readonly members: readonly Member[],
    private readonly gaps: readonly string[],
  ) {}

  /** Throws SyntaxError for what is not JSON; the walk below relies on well-formed text. */
  static parse(text: string): JsonGroup {
    const values = JSON.parse(text) as Record<string, unknown>;
    const members: Member[] = [];
    const gaps: string[] = [];
    let at = 0;
    for (let open = text.indexOf('"', at); open >= 0; open = text.indexOf('"', at)) {
      const keyEnd = nextToken(text, open).end;
      const end = open + text.slice(open, valueEnd(text, keyEnd)).trimEnd().length;
      const key = JSON.parse(text.slice(open, keyEnd)) as string;
      gaps.push(text.slice(at, open));
      members.push({ raw: text.slice(open, end), key, value: values[key] });
      at = end;
    }
    gaps.push(text.slice(at));
    return new JsonGroup(members, gaps);
  }

  keys(): string[] {
    return this.members.map((member) => member.key);
  }

  get(key: string): string | undefined {
    return asText(this.members.find((member) => member.key === key)?.value);
  }

  getAll(key: string): string[] {
    const value = this.members.find((member) => member.key === key)?.value;
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.flatMap((element) => asText(element) ?? []);
  }

  set(key: string, value: Value): JsonGroup {
    const member: Member = { raw: `${JSON.stringify(key)}:${JSON.stringify(value)}`, key, value };
    const at = this.members.findIndex((old) => old.key === key);
    if (at >= 0) return new JsonGroup(this.members.with(at, member), this.gaps);
    const tail = this.gaps.at(-1) ?? '';
    const before = this.members.length === 0 ? ['{', '}'] : [...this.gaps.slice(0, -1), ',', tail];
    return new JsonGroup([...this.members, member], before);
  }

  remove(key: string): JsonGroup {
    const at = this.members.findIndex((member) => member.key === key);
    if (at < 0) return this;
    if (this.members.length === 1) return new JsonGroup([], ['{}']);
    // The first member leaves with the comma behind it, any other with the comma before it.
    return new JsonGroup(this.members.toSpliced(at, 1), this.gaps.toSpliced(Math.max(at, 1), 1));
  }

  toString(): string {
    return this.gaps.map((gap, i) => gap + (this.members[i]?.raw ?? '')).join('');
  }
}
