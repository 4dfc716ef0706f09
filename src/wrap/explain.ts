import { printable } from '../common/errors.js';
import type { Change } from './cmdline/command.js';
import type { Rewritten } from './rewrite.js';

/** What `--explain=json` prints. */
export interface Explanation {
  readonly emulator: string;
  readonly argv: readonly string[];
  readonly changes: readonly Change[];
  /** What asks for vhost and is left to QEMU, a line each. */
  readonly remarks: readonly string[];
}

export function explain(emulator: string, rewritten: Rewritten): Explanation {
  const { args, changes, remarks } = rewritten;
  return { emulator, argv: args.map((arg) => arg.text), changes, remarks };
}

/** An argument as a shell reads it back. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function quoteAll(args: readonly string[]): string {
  return args.map(quote).join(' ');
}

function changeLine({ rule, why, before, after }: Change): string {
  const edit = [
    ...(before.length === 0 ? [] : [`- ${quoteAll(before)}`]),
    ...(after.length === 0 ? [] : [`+ ${quoteAll(after)}`]),
  ];
  return printable(`# ${rule}: ${why}: ${edit.join(' ')}`);
}

/** The command, ready for a shell, and below it one comment line per change and remark. */
export function explainText({ emulator, argv, changes, remarks }: Explanation): string {
  const said = remarks.map((remark) => printable(`# ${remark}`));
  return [quoteAll([emulator, ...argv]), ...changes.map(changeLine), ...said].join('\n');
}
