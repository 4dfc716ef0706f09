import type { Look } from '../../host/tolerant-reader.js';

/** Configuration that several directories share, such as tmpfiles.d and sysctl.d, as systemd reads it. */

export interface ConfFile {
  readonly path: string;
  readonly text: string;
}

/** The administrator's first: of one name the first directory's file counts, and hides the others. */
const PLACES = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib'];

/** Bytes and not the language of the user decide, as with strcmp(3). */
const byName = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Names that systemd passes over, whatever they end in (hidden_or_backup_file()). */
const PASSED_OVER = /^\.|~$|^(lost\+found|aquota\.(user|group))$/;

/**
 * The files of `directory` (`tmpfiles.d`) in the order in which they are read: by name, whichever directory they lie in.
 * One that is empty, or a link to /dev/null, hides those of its name below. `planned`: texts by path, which count before
 * what is there.
 */
export async function readConfFiles(
  look: Look,
  directory: string,
  planned: ReadonlyMap<string, string> = new Map(),
): Promise<ConfFile[]> {
  const found = new Map<string, string>();
  for (const place of PLACES) {
    const dir = `${place}/${directory}`;
    const coming = [...planned.keys()].filter((path) => path.startsWith(`${dir}/`));
    const names = [...(await look.list(dir)), ...coming.map((path) => path.slice(dir.length + 1))];
    for (const name of names) {
      if (name.endsWith('.conf') && !PASSED_OVER.test(name) && !found.has(name)) found.set(name, `${dir}/${name}`);
    }
  }
  const paths = [...found].sort(([a], [b]) => byName(a, b)).map(([, path]) => path);
  return Promise.all(paths.map(async (path) => ({ path, text: planned.get(path) ?? (await look.text(path)) })));
}

/** `*`, `?` and `[…]` as glob(3) has them: none of them matches a slash. */
export function globMatches(pattern: string, path: string): boolean {
  const source = pattern.replace(/\[(!?)([^\]/]+)\]|[^]/g, (part, not: string | undefined, set: string | undefined) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (set !== undefined) return `[${not === '!' ? '^' : ''}${set.replace(/[\\^]/g, '\\$&')}]`;
    return part.replace(/[\\^$.|+(){}[\]]/g, '\\$&');
  });
  try {
    return new RegExp(`^${source}$`).test(path);
  } catch {
    return false;
  }
}
