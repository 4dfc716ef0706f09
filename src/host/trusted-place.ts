import { dirname } from 'node:path';
import type { FileStat, Host } from './host.js';

/**
 * Whether a place in the file system is nobody's to change but root's and our own. Where it is not, a name means
 * whatever somebody else has put there a moment ago, and a privileged operation by that name is his to direct: every
 * directory on the way counts, because who may rename one decides what all that is below it means.
 *
 * What was found good stays good: nobody who could change it was found.
 */

type Look = Pick<Host, 'lstat' | 'readLink' | 'uid'>;

/** Who else may change what lies in a directory. */
export interface Doubt {
  /** The directory, or the link that leads on. */
  readonly path: string;
  /** `belongs to user id 1000`. */
  readonly reason: string;
}

/** As many as the kernel follows before it says ELOOP (path_resolution(7)). */
const MAX_LINKS = 40;

/** Users' own groups have their number, by the convention that pam_umask(8) goes by too; root's is root's. */
function groupDoubt({ mode, uid, gid }: FileStat): boolean {
  return (mode & 0o020) !== 0 && gid !== 0 && gid !== uid;
}

function doubtAbout(path: string, stat: FileStat, uid: number): Doubt | undefined {
  if (stat.uid !== 0 && stat.uid !== uid) return { path, reason: `belongs to user id ${stat.uid}` };
  // In a sticky directory everybody has only what is his own (inode(7)); a link has no rights of its own.
  if (stat.kind === 'symlink' || (stat.mode & 0o1000) !== 0) return undefined;
  if ((stat.mode & 0o002) !== 0) return { path, reason: 'is writable for everybody' };
  return groupDoubt(stat) ? { path, reason: `is writable for group id ${stat.gid}` } : undefined;
}

/** undefined: nobody else may. What is not there yet ends the way: who makes it is to look again. */
export async function changeableByOthers(host: Look, directory: string): Promise<Doubt | undefined> {
  const left = directory.split('/');
  let at: readonly string[] = [];
  let links = 0;
  for (let name: string | undefined = ''; name !== undefined; name = left.shift()) {
    if (name === '..') at = at.slice(0, -1);
    const here = name === '' || name === '.' || name === '..' ? at : [...at, name];
    const path = `/${here.join('/')}`;
    const stat = await host.lstat(path);
    if (stat === undefined) return undefined;
    const doubt = doubtAbout(path, stat, host.uid());
    if (doubt !== undefined) return doubt;
    at = here;
    if (stat.kind !== 'symlink') continue;
    if (++links > MAX_LINKS) return { path, reason: 'leads through too many symbolic links' };
    const target = (await host.readLink(path)) ?? '';
    at = target.startsWith('/') ? [] : at.slice(0, -1);
    left.unshift(...target.split('/'));
  }
  return undefined;
}

/** The directory that a file lies in, for a path of which the last part may be anything. */
export function changeableAround(host: Look, path: string): Promise<Doubt | undefined> {
  return changeableByOthers(host, dirname(path));
}
