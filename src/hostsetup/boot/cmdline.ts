import { VhostHostError, printable } from '../../common/errors.js';
import { readSnapshot } from '../../changes/steps.js';
import type { WriteFile } from '../../changes/steps.js';
import { applySpec, fulfils, ownArgs, withoutOwn } from '../kernel/spec.js';
import type { KernelArgsSpec } from '../kernel/spec.js';
import type { Host } from '../../host/host.js';

/** The command line of kernels to come, on systems that have no other place or one more for it. */
export const CMDLINE = '/etc/kernel/cmdline';

/** Which of its lines the reader takes; what reads all of them takes line ends for blanks. */
export type CmdlineReader = 'first line' | 'all lines';

const COMMENT = /^[ \t]*#[^\n]*$/gm;

/** The kernel's command line in the file; lines with `#` are left out by some readers, and are harmless with others. */
export function cmdlineIn(text: string, reader: CmdlineReader): string {
  return reader === 'first line' ? (text.split('\n', 1)[0] ?? '') : text.replace(COMMENT, '').trim();
}

function editLines(text: string, spec: KernelArgsSpec, path: string): string {
  const comments = [...text.matchAll(COMMENT)].map(([line]) => line);
  const ours = comments.find((line) => ownArgs(line, spec).length > 0);
  if (ours !== undefined) throw odd(path, text, ours, 'some programs that read this file take a comment for arguments');
  // A comment is one word while the rest changes; nothing of ours comes behind the last of them.
  const mark = '\uFFFC';
  const masked = text.replace(COMMENT, mark);
  const end = /(?:\s|\uFFFC)*$/.exec(masked)?.index ?? masked.length;
  const head = applySpec(masked.slice(0, end), spec);
  const edited = end === 0 && masked !== '' ? `${head}\n${masked}` : head + masked.slice(end);
  const now = edited.replaceAll(mark, () => comments.shift() ?? '');
  const [before, after] = [cmdlineIn(text, 'all lines'), cmdlineIn(now, 'all lines')];
  const foreign = (line: string): string => withoutOwn(line, spec).trim().split(/\s+/).join(' ');
  if (foreign(before) !== foreign(after) || !fulfils(after, spec)) {
    throw odd(path, text, text.split('\n', 1)[0] ?? '', 'comments and arguments stand too close together');
  }
  return now.endsWith('\n') ? now : `${now}\n`;
}

function odd(path: string, text: string, line: string, reason: string): VhostHostError {
  const number = text.slice(0, text.indexOf(line)).split('\n').length;
  return new VhostHostError('SETUP_REFUSED', `${path}:${number}: ${reason}: ${printable(line.trim())}`, {
    hint: `take that line out of ${path}`,
    details: { path, line: number },
  });
}

export function editCmdline(text: string, spec: KernelArgsSpec, reader: CmdlineReader, path = CMDLINE): string {
  if (fulfils(cmdlineIn(text, reader), spec)) return text;
  if (reader === 'all lines') return editLines(text, spec, path);
  const [first = '', ...rest] = text.split('\n');
  if (/^\s*(#|$)/.test(first))
    throw odd(path, text, first, 'the first line is the whole command line here, and says nothing');
  return [applySpec(first, spec), ...(rest.length === 0 ? [''] : rest)].join('\n');
}

/** The write that brings the file up to the spec, where there is such a file. */
export async function cmdlineWrites(host: Host, spec: KernelArgsSpec, reader: CmdlineReader): Promise<WriteFile[]> {
  const text = (await readSnapshot(host, CMDLINE))?.text;
  return text === undefined ? [] : [{ kind: 'write', path: CMDLINE, text: editCmdline(text, spec, reader) }];
}
