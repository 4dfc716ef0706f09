import { strict as assert } from 'node:assert';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../helpers/paths.js';

async function textsBelow(directory: string, ending: string): Promise<string> {
  const names = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith(ending));
  return (await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))).join('\n');
}

/** What a document sets in italics: titles of tests. */
function titlesIn(text: string): string[] {
  return [...text.matchAll(/(?<!\*)\*(?![*\s])([^*\n]+)(?<!\s)\*(?!\*)/g)].map(([, title]) => title ?? '');
}

describe('docs/threat-model.md', () => {
  it('names tests that there are', async () => {
    const titles = titlesIn(await readFile(`${root}docs/threat-model.md`, 'utf8')).filter(
      (title) => title !== 'italics',
    );
    assert.ok(titles.length >= 10, titles.join('\n'));
    const ours = (await textsBelow(`${root}test`, '.test.ts')).replaceAll("\\'", "'");
    const native = await readFile(`${root}native/test/tests.h`, 'utf8');
    const isThere = (title: string): boolean =>
      native.includes(`X(${title},`) || [`it('${title}'`, `it("${title}"`].some((start) => ours.includes(start));
    assert.deepEqual(
      titles.filter((title) => !isThere(title)),
      [],
    );
    assert.ok(!isThere('is a test that nobody has written'));
  });
});
