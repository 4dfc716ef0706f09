/**
 * libvirt's test data as calls. Each line there holds one option with its values, so which words belong together is told
 * by somebody else than the wrapper's own parser.
 */
export interface Call {
  readonly emulator: string;
  readonly args: readonly string[];
  /** The option that each argument belongs to, by the place of its first word. */
  readonly optionOf: readonly number[];
}

interface Word {
  text: string;
  readonly line: number;
}

/** Words as a POSIX shell reads them: quotes, backslashes, and lines that go on. */
function words(text: string): Word[] {
  const found: Word[] = [];
  let word: Word | undefined;
  let line = 0;
  const add = (piece: string): void => {
    if (word === undefined) found.push((word = { text: '', line }));
    word.text += piece;
  };
  for (const [piece] of text.matchAll(/'[^']*'|"(?:\\.|[^"\\])*"|\\\n|\\.|\n|[ \t]+|[^\s'"\\]+/gs)) {
    if (piece === '\\\n') line++;
    else if (/^\s/.test(piece)) {
      word = undefined;
      if (piece === '\n') line++;
    } else if (piece.startsWith("'")) add(piece.slice(1, -1));
    else if (piece.startsWith('"')) add(piece.slice(1, -1).replaceAll(/\\([\\"$`])/g, '$1'));
    else add(piece.startsWith('\\') ? piece.slice(1) : piece);
  }
  return found;
}

/** undefined where the file has no call of QEMU. */
export function readCall(text: string): Call | undefined {
  const all = words(text);
  const start = all.findIndex(({ text: word }) => !/^[A-Za-z_]\w*=/.test(word));
  const emulator = all[start];
  if (emulator === undefined || !/qemu|kvm/.test(emulator.text)) return undefined;
  const rest = all.slice(start + 1);
  let option = 0;
  const optionOf = rest.map(({ text: word, line }, i) => {
    const first = line !== (rest[i - 1]?.line ?? emulator.line);
    if (first && word.startsWith('-')) option = i;
    return option;
  });
  return { emulator: emulator.text, args: rest.map(({ text: word }) => word), optionOf };
}

/** The properties of an option's value, in both of QEMU's spellings; the first word without a key has the empty one. */
export function properties(value: string): Map<string, string> {
  if (value.startsWith('{')) {
    const object = JSON.parse(value) as Record<string, unknown>;
    return new Map(Object.entries(object).map(([key, item]) => [key, typeof item === 'string' ? item : flat(item)]));
  }
  const parts = value.match(/(?:[^,]|,,)+/g) ?? [];
  return new Map(
    parts.map((part, i): [string, string] => {
      const [, key, text = ''] = /^([^=,]+)=(.*)$/s.exec(part) ?? [];
      if (key !== undefined) return [key, text.replaceAll(',,', ',')];
      return i === 0 ? ['', part] : [part, 'on'];
    }),
  );
}

function flat(item: unknown): string {
  return typeof item === 'boolean' ? (item ? 'on' : 'off') : JSON.stringify(item);
}
