import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { DEFAULTS, KEYS, KEY_NAMES } from '../../../../src/wrap/config/keys.js';
import { root } from '../../../helpers/paths.js';
import { helpTree } from './support.js';

const DIR = `${root}man`;
const names = readdirSync(DIR);
const page = (name: string): string => readFileSync(`${DIR}/${name}`, 'utf8');

/** As a terminal shows it: without troff's fonts. */
const plain = (text: string): string => text.replace(/\\f[BIRP]/g, '').replaceAll('\\-', '-');

/** The options of a part of a page, in order. */
const optionsOf = (text: string): string[] =>
  text
    .split('.TP\n')
    .slice(1)
    .flatMap((term) => /^(?:-\w, )?(--[\w-]+)/.exec(term)?.[1] ?? []);

/** A command's part: of a page of its own without the subcommands, else the section of its name. */
function partOf(words: readonly string[]): string {
  const [first = '', ...rest] = words;
  const text = plain(page(first === '' ? 'vhost-host.8' : `vhost-host-${first}.8`));
  const [own = '', subcommands = ''] = text.split(/^\.SH SUBCOMMANDS$/m);
  if (rest.length === 0) return own;
  const sections = (subcommands.split(/^\.SH /m)[0] ?? '').split(/^\.SS /m);
  return sections.find((section) => section.startsWith(`vhost-host ${words.join(' ')}\n`)) ?? '';
}

describe('man pages', () => {
  it('name every option that help shows, and none that it does not', async () => {
    const tree = await helpTree();
    ok(tree.size > 20);
    for (const [words, { options }] of tree) {
      const expected = options.filter((option) => option !== '--help');
      deepEqual([...optionsOf(partOf(words.split(' ')))].sort(), [...expected].sort(), words);
    }
    const first = tree.get('')?.commands ?? [];
    deepEqual(
      names.sort(),
      ['qemu-wrap.1', 'vhost-host.8', ...first.map((command) => `vhost-host-${command}.8`)].sort(),
    );
  });

  it('are read by troff without a complaint', () => {
    const args = ['-man', '-ww', '-Tutf8', '-P-cbou', ...names.map((name) => `${DIR}/${name}`)];
    const { stdout, stderr } = spawnSync('groff', args, { encoding: 'utf8' });
    deepEqual(stderr, '');
    equal(stdout.match(/^SEE ALSO$/gm)?.length, names.length);
  });

  it('refer to pages that are there, or that other packages bring', () => {
    const others = ['virsh(1)', 'qemu-system-x86_64(1)'];
    for (const name of names) {
      const text = plain(page(name));
      match(text, /^\.SH NAME\n[\w-]+ - \S.*\n\.SH /m, name);
      const referred = [...text.matchAll(/^\.BR ([\w-]+) (\(\d\))/gm)].map(([, to = '', section = '']) => to + section);
      ok(referred.length > 0, name);
      const known = [...names.map((other) => other.replace(/\.(\d)$/, '($1)')), ...others];
      deepEqual(
        referred.filter((to) => !known.includes(to)),
        [],
        name,
      );
    }
  });

  it('qemu-wrap(1) has every key of the configuration, its variable and its default', () => {
    const text = plain(page('qemu-wrap.1'));
    for (const key of KEY_NAMES) {
      const entry = text.split('.TP\n').find((part) => part.startsWith(`${key} (${KEYS[key].env})\n`)) ?? '';
      ok(entry.length > 0, key);
      deepEqual(/Default: (.*)\.$/m.exec(entry)?.[1], JSON.stringify(DEFAULTS[key]), key);
    }
  });
});
