// What `npm run corpus` reads: libvirt's own test data, from the sources of the Debian packages.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fetchSource } from './suite.mjs';
import { root } from './task.mjs';

/** That of the libvirt that is installed here, and the next one. */
const suites = ['bookworm', 'trixie'];

/** Below `build/corpus/SUITE`; nothing of it is ever committed. */
export async function ensureCorpus() {
  const dir = join(root, 'build', 'corpus');
  mkdirSync(dir, { recursive: true });
  for (const suite of suites) {
    const what = `the sources of libvirt in Debian ${suite}`;
    await fetchSource('corpus', { home: join(dir, suite), suite, source: 'libvirt', what });
  }
}
