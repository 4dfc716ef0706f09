import { deepEqual, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { root } from '../../helpers/paths.js';
import { Desk } from '../cli/support.js';

interface Pages {
  manPage(version: string): Promise<string>;
  completion(): Promise<string>;
}

const pages = (await import(pathToFileURL(`${root}.ci/lib/pages.mjs`).href)) as Pages;

/** Every command, by the words that lead to it, with the options its own help shows. */
async function helpTree(words: readonly string[] = []): Promise<Map<string, string[]>> {
  const text = (await new Desk().run(...words, '--help')).out.join('\n');
  const part = (head: string): string => new RegExp(`^${head}:\\n((?:  .*\\n?)*)`, 'm').exec(`${text}\n`)?.[1] ?? '';
  const options = [...part('Options').matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option = '']) => option);
  const found = new Map([[words.join(' '), options]]);
  for (const [, name = ''] of part('Commands').matchAll(/^ {2}([a-z][\w-]*)/gm)) {
    if (name === 'help') continue;
    for (const [key, value] of await helpTree([...words, name])) found.set(key, value);
  }
  return found;
}

/** As a terminal shows it: without troff's requests and fonts. */
function sectionsOf(page: string): Map<string, string> {
  const plain = page.replace(/\\f[BIRP]/g, '').replaceAll('\\-', '-');
  const sections = new Map<string, string>();
  for (const part of plain.split(/^\.SS /m).slice(1)) {
    const end = part.indexOf('\n');
    sections.set(part.slice(0, end).replace(/^vhost-host /, ''), part.slice(end).split(/^\.SH /m)[0] ?? '');
  }
  return sections;
}

describe('packages: man pages and completion', () => {
  it('the page names every option that help shows, and none that it does not', async () => {
    const tree = await helpTree();
    ok(tree.size > 20);
    const sections = sectionsOf(await pages.manPage('1.2.3'));
    for (const [words, options] of tree) {
      const expected = options.filter((option) => option !== '--help');
      if (words === '' || (expected.length === 0 && !sections.has(words))) continue;
      const terms = (sections.get(words) ?? '').split('.TP\n').slice(1);
      const named = terms.flatMap((term) => /^(?:-\w, )?(--[\w-]+)/.exec(term)?.[1] ?? []);
      deepEqual(named, expected, words);
    }
    for (const words of sections.keys()) ok(tree.has(words), words);
  });

  it('troff reads both pages without a complaint', async () => {
    for (const page of [await pages.manPage('1.2.3'), readFileSync(`${root}man/qemu-wrap.1`, 'utf8')]) {
      const { stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tutf8'], { input: page, encoding: 'utf8' });
      deepEqual(stderr, '');
      match(stdout, /switch/);
    }
  });

  it("qemu-wrap's page names every key and variable of its configuration, and none else", () => {
    const page = readFileSync(`${root}man/qemu-wrap.1`, 'utf8').replaceAll('\\-', '-');
    const readme = readFileSync(`${root}README.md`, 'utf8');
    const table = /\| Key \(old script\).*\n\|[-|]+\n((?:\|.*\n)+)/.exec(readme)?.[1] ?? '';
    const keys = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, key = '']) => key);
    ok(keys.length > 8);
    deepEqual([...page.matchAll(/^\.TP\n\.BR? (\w+)/gm)].map(([, key = '']) => key).sort(), keys.sort());
    const variables = (text: string): string[] => [...new Set(text.match(/\bVHOST_HOST_(?:WRAP|RUN|EMU)\w+/g))].sort();
    const source = readFileSync(`${root}src/wrap/config/config.ts`, 'utf8');
    deepEqual(
      variables(page),
      [...new Set([...variables(table), ...variables(source), 'VHOST_HOST_WRAP_CONFIG'])].sort(),
    );
  });

  it('bash completes commands, subcommands and their options', async () => {
    const script = await pages.completion();
    const complete = (...words: string[]): string[] => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const call = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _vhost_host; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = spawnSync('bash', ['--norc'], { input: `${script}\n${call}\n`, encoding: 'utf8' });
      deepEqual(stderr, '');
      return stdout.trim().split('\n');
    };
    deepEqual(complete('vhost-host', 'sta'), ['start', 'status', 'stats']);
    deepEqual(complete('vhost-host', 'vm', 'at'), ['attach']);
    deepEqual(complete('vhost-host', 'vm', 'attach', 'db', '--print-'), ['--print-xml', '--print-diff']);
    deepEqual(complete('vhost-host', 'ports', 'add', 'add', '--so'), ['--socket']);
    deepEqual(complete('vhost-host', 'start', '--run-dir', '/us'), ['/usr']);
    deepEqual(complete('vhost-host', 'nonsense', '--js'), ['']);
    for (const [words, options] of await helpTree()) ok(script.includes(options.join(' ')), words);
  });
});
