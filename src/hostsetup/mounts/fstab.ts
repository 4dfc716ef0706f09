import { hasBlock, setBlock } from '../../changes/managed-block.js';
import { VhostHostError } from '../../common/errors.js';
import { parseMounts } from '../../host/kernel/mount-table.js';
import type { Mount } from '../../host/kernel/mount-table.js';
import { optionsOf, setOptions } from './options.js';
import type { Ids } from './options.js';
import type { MountSpec } from './spec.js';

/** Lines of /etc/fstab, edited in place: nothing but the options of a line that is there, or a marked line more. */

export const FSTAB = '/etc/fstab';

/** What stands before the options, they themselves, and what stands behind. */
const LINE = /^([ \t]*[^\s#]\S*[ \t]+\S+[ \t]+\S+[ \t]+)(\S+)(.*)$/s;

/** As fstab(5) writes what would end a field. */
function escaped(path: string): string {
  return path.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

const isFor = (line: string, path: string): boolean => parseMounts(line)[0]?.path.replace(/(.)\/+$/, '$1') === path;

export function hasLineFor(text: string, path: string): boolean {
  return text.split('\n').some((line) => isFor(line, path));
}

const blockFor = (path: string): string => `hugetlbfs ${escaped(path)}`;

/** Lines for the path that are somebody else's. */
export function foreignLinesFor(text: string, path: string): Mount[] {
  if (hasBlock(text, blockFor(path))) return [];
  return text.split('\n').flatMap((line) => (isFor(line, path) ? parseMounts(line) : []));
}

/** `defaultSize`: what a line without `pagesize=` means. SETUP_REFUSED where the path is something else's. */
export function editFstab(text: string, spec: MountSpec, defaultSize: number, ids: Ids): string {
  if (!hasLineFor(text, spec.path)) {
    // A host has to start also where the kernel has no pages of this size any more.
    const line = `hugetlbfs ${escaped(spec.path)} hugetlbfs ${optionsOf(spec)},nofail 0 0`;
    return setBlock(text, blockFor(spec.path), line);
  }
  const lines = text.split(/(?<=\n)/);
  return lines.map((line) => (isFor(line, spec.path) ? editLine(line, spec, defaultSize, ids) : line)).join('');
}

function editLine(line: string, spec: MountSpec, defaultSize: number, ids: Ids): string {
  const type = parseMounts(line)[0]?.type;
  const [, start, options, rest] = LINE.exec(line) ?? [];
  if (type !== 'hugetlbfs' || start === undefined || options === undefined || rest === undefined) {
    throw new VhostHostError(
      'SETUP_REFUSED',
      `${FSTAB} has a line for ${spec.path} that is no hugetlbfs: ${line.trim()}`,
      {
        hint: `grep -n ${spec.path} ${FSTAB}`,
        details: { path: spec.path },
      },
    );
  }
  return start + setOptions(options, spec, defaultSize, ids) + rest;
}
