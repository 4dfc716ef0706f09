import { VhostHostError } from '../common/errors.js';

/** A part of a foreign file that is ours: between two comment lines, and nothing else of the file is touched. */

const begin = (name: string): string => `# BEGIN ${name} (written by vhost-host; changes in here are lost)`;
const end = (name: string): string => `# END ${name}`;

/** `text` with the block set to `body`: in the place where it is, else at the end. */
export function setBlock(text: string, name: string, body: string): string {
  const block = `${begin(name)}\n${body.trimEnd()}\n${end(name)}\n`;
  const span = findBlock(text, name);
  if (span !== undefined) return text.slice(0, span.start) + block + text.slice(span.end);
  return text === '' || text.endsWith('\n') ? text + block : `${text}\n${block}`;
}

export function hasBlock(text: string, name: string): boolean {
  return findBlock(text, name) !== undefined;
}

function findBlock(text: string, name: string): { start: number; end: number } | undefined {
  const lines = text.split(/(?<=\n)/);
  const first = lines.findIndex((line) => line.startsWith(`# BEGIN ${name} (`));
  if (first < 0) return undefined;
  const last = lines.findIndex((line, i) => i > first && line.trimEnd() === end(name));
  if (last < 0) {
    throw new VhostHostError('SETUP_REFUSED', `the line "${begin(name)}" has no "${end(name)}" after it`, {
      hint: 'remove what is left of the block',
    });
  }
  const lengthOf = (upTo: number): number => lines.slice(0, upTo).join('').length;
  return { start: lengthOf(first), end: lengthOf(last + 1) };
}
