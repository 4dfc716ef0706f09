/**
 * A kernel command line as a lossless model: arguments with the blanks before them, so that printing is joining.
 * Words are told apart as the kernel does it: by blanks, but for those between double quotes.
 */

export interface KernelArg {
  readonly gap: string;
  readonly text: string;
  /** With `_` for `-`, which the kernel takes for the same. */
  readonly name: string;
  readonly value: string | undefined;
}

export interface KernelLine {
  readonly args: readonly KernelArg[];
  readonly tail: string;
}

export function parseKernelLine(text: string): KernelLine {
  const args: KernelArg[] = [];
  const word = /(\s*)((?:"[^"]*(?:"|$)|[^\s"])+)/y;
  let at = 0;
  for (let found = word.exec(text); found !== null; found = word.exec(text)) {
    args.push(makeArg(found[1] ?? '', found[2] ?? ''));
    at = word.lastIndex;
  }
  return { args, tail: text.slice(at) };
}

function makeArg(gap: string, text: string): KernelArg {
  const [, name = '', value] = /^"?([^=]*)(?:=([^]*))?$/.exec(text) ?? [];
  return { gap, text, name: name.replaceAll('-', '_'), value: value?.replace(/^"|"$/g, '') };
}

export function printKernelLine({ args, tail }: KernelLine): string {
  return args.map(({ gap, text }) => gap + text).join('') + tail;
}

/** What the kernel itself takes: behind `--` stands what it hands to the first process. */
export function kernelArgs(text: string): readonly KernelArg[] {
  const { args } = parseKernelLine(text);
  return args.slice(0, endOf(args));
}

function endOf(args: readonly KernelArg[]): number {
  const end = args.findIndex(({ text }) => text === '--');
  return end < 0 ? args.length : end;
}

/** Puts `texts` in the place of the first argument that is meant, else at the end, and drops the others meant. */
export function replaceArgs(text: string, isMeant: (arg: KernelArg) => boolean, texts: readonly string[]): string {
  const { args, tail } = parseKernelLine(text);
  const end = endOf(args);
  const meant = args.slice(0, end).filter(isMeant);
  const at = meant[0] === undefined ? end : args.indexOf(meant[0]);
  const added = texts.map((word, i) => makeArg(i === 0 ? (meant[0]?.gap ?? ' ') : ' ', word));
  const rest = (part: readonly KernelArg[]): KernelArg[] => part.filter((arg) => !meant.includes(arg));
  const now = [...rest(args.slice(0, at)), ...added, ...rest(args.slice(at))];
  const all = now.map((arg, i) => {
    if (i === 0) return { ...arg, gap: args[0]?.gap ?? '' };
    return arg.gap === '' ? { ...arg, gap: ' ' } : arg;
  });
  return printKernelLine({ args: all, tail });
}
