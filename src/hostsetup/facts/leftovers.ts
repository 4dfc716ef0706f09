import { basename } from 'node:path';
import type { Look } from '../../host/tolerant-reader.js';
import type { HugetlbMount } from '../mounts/read.js';

/** Files in hugetlbfs that keep pages from everybody and belong to nobody any more. */

export interface HugepageFile {
  readonly path: string;
  readonly bytes: number;
}

export interface LeftoverFacts {
  readonly files: readonly HugepageFile[];
  /** Some processes could not be asked which files they hold, so `files` may name ones in use. */
  readonly uncertain: boolean;
}

/** libvirt's directories for guests lie so far below the mount. */
const DEPTH = 4;

async function filesBelow(look: Look, directory: string, depth: number): Promise<HugepageFile[]> {
  const found: HugepageFile[] = [];
  for (const name of await look.list(directory)) {
    const path = `${directory}/${name}`;
    const stat = await look.lstat(path);
    if (stat?.kind === 'file' && stat.size > 0) found.push({ path, bytes: stat.size });
    if (stat?.kind === 'directory' && depth > 1) found.push(...(await filesBelow(look, path, depth - 1)));
  }
  return found;
}

/**
 * Names of the files that processes have mapped. By name and not by path: another mount namespace shows the
 * same file under another path, and a file that is wrongly taken for used does no harm.
 */
async function mappedNames(look: Look, wanted: ReadonlySet<string>): Promise<Set<string>> {
  const mapped = new Set<string>();
  for (const pid of await look.list('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    for (const line of await look.lines(`/proc/${pid}/maps`)) {
      const path = /^\S+ \S+ \S+ \S+ \S+\s+(\/.*)$/.exec(line)?.[1];
      if (path !== undefined && wanted.has(basename(path))) mapped.add(basename(path));
    }
  }
  return mapped;
}

export async function readLeftovers(look: Look, mounts: readonly HugetlbMount[]): Promise<LeftoverFacts> {
  const places = [...new Set(mounts.map(({ path }) => path))];
  const found = (await Promise.all(places.map((path) => filesBelow(look, path, DEPTH)))).flat();
  // One file system may be mounted in several places, or over another.
  const files = [...new Map(found.map((file) => [file.path, file])).values()];
  if (files.length === 0) return { files, uncertain: false };
  const mapped = await mappedNames(look, new Set(files.map(({ path }) => basename(path))));
  const uncertain = [...look.denied].some((path) => /^\/proc\/\d+\/maps$/.test(path));
  return { files: files.filter(({ path }) => !mapped.has(basename(path))), uncertain };
}
