import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../helpers/paths.js';

/** One version of libvirt's sources, unpacked by `.ci/lib/corpus.mjs`. */
export interface Source {
  readonly suite: string;
  readonly dir: string;
}

export interface Sample {
  /** For people: `bookworm tests/…`. */
  readonly name: string;
  readonly text: string;
}

export function sources(): Source[] {
  const home = join(root, 'build', 'corpus');
  const suites = existsSync(home) ? readdirSync(home).filter((name) => !name.endsWith('.partial')) : [];
  return suites.sort().map((suite) => ({ suite, dir: join(home, suite) }));
}

/** Files of that ending in those directories of libvirt's tests, which differ by version. */
export function samples({ suite, dir }: Source, folders: RegExp, ending: string): Sample[] {
  const tests = join(dir, 'tests');
  return readdirSync(tests, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && folders.test(entry.name))
    .flatMap(({ name: folder }) => readdirSync(join(tests, folder)).map((name) => `${folder}/${name}`))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({ name: `${suite} tests/${name}`, text: readFileSync(join(tests, name), 'utf8') }));
}
