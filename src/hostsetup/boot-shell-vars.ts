/**
 * Assignments in a file that a shell reads (`/etc/default/grub`): where they stand, and edits of one value by
 * a splice. Lines that are more than one plain assignment are left alone.
 */

export interface Assignment {
  readonly name: string;
  /** `+=` rather than `=`. */
  readonly appends: boolean;
  readonly quote: '"' | "'" | '';
  /** Between the quotes, as it is written. */
  readonly value: string;
  /** Where the value starts and ends, quotes included. */
  readonly start: number;
  readonly end: number;
}

const ASSIGNMENT =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)(\+?)=("(?:[^"\\]|\\[^])*"|'[^']*'|[^\s"'`$();&|<>\\#]*)(?=[ \t]*(?:[ \t]#.*)?;?[ \t]*$)/gm;

export function assignments(text: string): Assignment[] {
  return [...text.matchAll(ASSIGNMENT)].map((found) => {
    const [all, name = '', plus = '', word = ''] = found;
    const quote = word.startsWith('"') ? '"' : word.startsWith("'") ? "'" : '';
    const end = found.index + all.length;
    const value = quote === '' ? word : word.slice(1, -1);
    return { name, appends: plus !== '', quote, value, start: end - word.length, end };
  });
}

export function setValue(text: string, { quote, start, end, value }: Assignment, now: string): string {
  if (now === value) return text;
  const marks = quote === '' ? '"' : quote;
  return text.slice(0, start) + marks + now + marks + text.slice(end);
}

/** Whether what the variable had before is lost by this assignment. */
export function setsAfresh({ name, appends, value, quote }: Assignment): boolean {
  return !appends && (quote === "'" || !new RegExp(`\\$(?:${name}\\b|\\{${name}\\b)`).test(value));
}
