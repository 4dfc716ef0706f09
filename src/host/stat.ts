import type { Stats } from 'node:fs';
import { errnoOf } from '../common/errors.js';
import type { FileStat } from './host.js';

function kindOf(stat: Stats): FileStat['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSocket()) return 'socket';
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isCharacterDevice() ? 'character' : 'other';
}

export function describeStat(stat: Stats): FileStat {
  const { uid, gid, size, ctimeMs } = stat;
  return { kind: kindOf(stat), mode: stat.mode & 0o7777, uid, gid, size, ctimeMs };
}

/** ESRCH: a file of /proc whose process ended between the opening and the reading of it. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ESRCH'].includes(errnoOf(error) ?? '');
}
