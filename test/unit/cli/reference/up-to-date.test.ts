import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import * as pages from '../../../../src/cli/reference/reference.js';
import { DROP_REASONS } from '../../../../src/switch/model/drop-reasons.js';
import { root } from '../../../helpers/paths.js';
import { helpTree } from './support.js';

type Files = ReadonlyMap<string, string>;
interface Reference {
  readonly formattedReference: (from: typeof pages) => Promise<Files>;
  readonly outOfDate: (from: typeof pages, files: Files) => string[];
}

const { formattedReference, outOfDate } = (await import(
  pathToFileURL(`${root}.ci/lib/reference.mjs`).href
)) as Reference;
const text = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

describe('generated pages', () => {
  it('are what the program says; `npm run reference` writes them', async () => {
    const files = await formattedReference(pages);
    ok(files.size > 20);
    deepEqual(outOfDate(pages, files), [], 'to write them anew: npm run reference');
  });

  it('are found to be out of date when one differs, is missing, or is left from a command that is gone', async () => {
    const files = new Map(await formattedReference(pages));
    files.set('docs/reference/cli.md', 'otherwise');
    files.set('man/vhost-host-new.8', '');
    files.delete('man/vhost-host-stop.8');
    deepEqual(outOfDate(pages, files), [
      'docs/reference/cli.md is not what the program says',
      'man/vhost-host-new.8 is not what the program says',
      'man/vhost-host-stop.8 is not generated any more',
    ]);
  });

  it('the command reference has a section with every option for each command', async () => {
    const sections = text('docs/reference/cli.md').split(/^#+ /m);
    for (const [words, { options }] of await helpTree()) {
      const section = sections.find((part) => part.startsWith(`${`vhost-host ${words}`.trim()}\n`)) ?? '';
      for (const option of options.filter((name) => name !== '--help')) ok(section.includes(option), words + option);
      ok(section.includes('```text\nvhost-host'), words);
    }
  });

  it('the table of drop reasons has every reason of the switch, with its meaning and what to do', () => {
    const table = text('docs/reference/drop-reasons.md');
    ok(DROP_REASONS.length > 20);
    deepEqual(
      [...table.matchAll(/^\| `(\w+)` \| \S.*\| \S.*\|$/gm)].map(([, name]) => name),
      DROP_REASONS.map(({ name }) => name),
    );
    equal(/undefined|\[object/.test(table), false);
  });
});
