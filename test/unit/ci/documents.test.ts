import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../helpers/paths.js';

type Rules = (files: string[], root: string) => string[];
const { brokenDocuments } = (await import(`${root}.ci/lib/documents.mjs`)) as { brokenDocuments: Rules };

/** What is wrong with these documents over a tree of `files`. */
function wrongWith(documents: { architecture?: string; readme?: string }, files: string[] = []): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'vh-documents-'));
  try {
    writeFileSync(join(dir, 'ARCHITECTURE.md'), documents.architecture ?? '');
    writeFileSync(join(dir, 'README.md'), documents.readme ?? '');
    return brokenDocuments(files, dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('the rules for documents', () => {
  it('allow ARCHITECTURE.md 12288 bytes, and no more', () => {
    assert.deepEqual(wrongWith({ architecture: 'é'.repeat(6144) }), []);
    assert.deepEqual(wrongWith({ architecture: `${'é'.repeat(6144)}.` }), [
      'ARCHITECTURE.md has 12289 bytes, at most 12288: move detail to docs/internals/',
    ]);
  });

  it('allow README.md 150 lines, and no more', () => {
    assert.deepEqual(wrongWith({ readme: 'line\n'.repeat(150) }), []);
    assert.deepEqual(wrongWith({ readme: 'line\n'.repeat(151) }), [
      'README.md has 151 lines, at most 150: move detail to docs/',
    ]);
  });

  it('ask for a row of the map for each folder, also where one row names several', () => {
    const architecture = '| `native/base/`, `native/cuse/` | Counters |\n| `src/cli/` | `src/log/` in a text |\n';
    const files = ['native/base/defs.h', 'native/cuse/port.c', 'src/cli/main.ts', 'native/test/rig/rig.c'];
    assert.deepEqual(wrongWith({ architecture }, files), []);
    assert.deepEqual(wrongWith({ architecture }, [...files, 'src/log/log.ts']), [
      'src/log/ is not in the map of ARCHITECTURE.md: add a row with the question it answers',
    ]);
  });

  it('find a row whose folder is gone', () => {
    assert.deepEqual(
      wrongWith({ architecture: '| `src/cli/` | Commands |\n| `src/relay/` | Gone |\n' }, ['src/cli/a.ts']),
      ['src/relay/ is in the map of ARCHITECTURE.md but has no sources: remove its row'],
    );
  });
});
