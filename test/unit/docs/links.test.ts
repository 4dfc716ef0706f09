import { strict as assert } from 'node:assert';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../../helpers/paths.js';

const NOT_OURS = new Set(['node_modules', 'build', '.git']);

/** Paths below the root of all pages of the repository. */
function pagesBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : pagesBelow(path);
    return entry.isFile() && entry.name.endsWith('.md') ? [path] : [];
  });
}

const withoutCode = (text: string): string => text.replace(/^```[^]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');

/** Where links and images of a page lead within the repository. */
function linksOf(text: string): string[] {
  const targets = [...withoutCode(text).matchAll(/\]\(\s*([^)\s]+)[^)]*\)/g)].map(([, target]) => target ?? '');
  return targets.filter((target) => !/^(https?|mailto):/.test(target));
}

/** What GitHub calls the headings of a page; one that comes again has a number. */
function anchorsOf(text: string): Set<string> {
  const found = new Map<string, number>();
  for (const [, heading = ''] of text.replace(/^```[^]*?^```$/gm, '').matchAll(/^#{1,6} +(.*?) *$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    const count = found.get(anchor) ?? 0;
    found.set(anchor, count + 1);
    if (count > 0) found.set(`${anchor}-${count}`, 1);
  }
  return new Set(found.keys());
}

/** What a link leads to, below the root, and why it does not. */
function follow(page: string, link: string): { target: string; trouble?: string } {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (path.startsWith('/') || target.startsWith('..'))
    return { target, trouble: `${page}: ${link} leaves the repository` };
  if (!existsSync(join(root, target))) return { target, trouble: `${page}: ${link} leads nowhere` };
  if (anchor === undefined || !target.endsWith('.md')) return { target };
  if (anchorsOf(readFileSync(join(root, target), 'utf8')).has(anchor)) return { target };
  return { target, trouble: `${page}: ${link}: no such heading` };
}

const linksIn = (page: string): string[] => linksOf(readFileSync(join(root, page), 'utf8'));

describe('pages of the repository', () => {
  const pages = pagesBelow('');

  it('have links that lead somewhere', () => {
    assert.ok(pages.includes('README.md') && pages.includes('docs/configuration.md'));
    const followed = pages.flatMap((page) => linksIn(page).map((link) => follow(page, link)));
    assert.ok(followed.length > 60, `only ${followed.length} links were found`);
    assert.deepEqual(
      followed.flatMap(({ trouble }) => trouble ?? []),
      [],
    );
  });

  it('would be reported with a link that leads nowhere', () => {
    const text =
      '[a](docs/nothing.md) [b](README.md#nothing) ![c](../x.svg) `[d](e)`\n```sh\n[f](g)\n```\n[h](https://i)';
    assert.deepEqual(
      linksOf(text).map((link) => follow('CHANGELOG.md', link).trouble),
      [
        'CHANGELOG.md: docs/nothing.md leads nowhere',
        'CHANGELOG.md: README.md#nothing: no such heading',
        'CHANGELOG.md: ../x.svg leaves the repository',
      ],
    );
    assert.deepEqual(
      [...anchorsOf('# On /dev/usvhost-N\n## A `b`, c\n## A b c\n```\n# no\n```\n')],
      ['on-devusvhost-n', 'a-b-c', 'a-b-c-1'],
    );
  });

  it('in docs are all reached from README', () => {
    const reached = new Set(['README.md']);
    for (const page of reached)
      for (const link of page.endsWith('.md') ? linksIn(page) : []) reached.add(follow(page, link).target);
    assert.deepEqual(
      pages.filter((page) => page.startsWith('docs/') && !reached.has(page)),
      [],
    );
  });

  it('begin with a README of at most 150 lines', () => {
    assert.ok(readFileSync(join(root, 'README.md'), 'utf8').trimEnd().split('\n').length <= 150);
  });
});
