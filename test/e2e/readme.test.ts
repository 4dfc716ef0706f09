import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, symlink } from 'node:fs/promises';
import { parseConfig } from '../../src/switch/config/config.js';
import { parseConfig as parseWrapConfig } from '../../src/wrap/config/config.js';
import { DEFAULTS, KEYS, KEY_NAMES } from '../../src/wrap/config/keys.js';
import { request } from '../../src/switch/client/http.js';
import { apiSocketPath } from '../../src/switch/run-dir/paths.js';
import { runToEnd } from '../helpers/child.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { root, tempDir } from '../helpers/paths.js';
import { withScope } from '../helpers/scope.js';
import { until } from '../helpers/until.js';

/** The code blocks of one language, and text in backquotes, as a reader would copy them. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, body]) => body ?? '');
}

function commands(text: string): string[] {
  const lines = blocks(text, 'sh').flatMap((block) => block.split('\n'));
  return lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
}

/** README, and the pages that it leads to: what is said of the program's use, in one text. */
const PAGES = [
  'README.md',
  'docs/guests-qemu-wrap.md',
  'docs/guests-libvirt.md',
  'docs/host-setup.md',
  'docs/check.md',
  'docs/uplinks-and-vlans.md',
  'docs/vmdq-and-zero-copy.md',
  'docs/cuse-devices.md',
  'docs/live-migration.md',
  'docs/iommu-and-confidential-guests.md',
  'docs/migrating-from-dpdk-vhost.md',
  'docs/configuration.md',
  'docs/troubleshooting.md',
  'CONTRIBUTING.md',
];

/** The commands below a heading. */
function commandsBelow(heading: string, text: string): string[] {
  return commands(new RegExp(`^## ${heading}$([^]*?)^## `, 'm').exec(text)?.[1] ?? '');
}

describe('what README and the pages of docs say', function () {
  this.timeout(60_000);
  let readme: string;

  before(async () => {
    readme = (await Promise.all(PAGES.map((page) => readFile(`${root}${page}`, 'utf8')))).join('\n');
  });

  it('names npm scripts that are there', async () => {
    const { scripts } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { scripts: object };
    const named = [...readme.matchAll(/npm (?:run )?([a-z][a-z0-9:-]*)/g)].map(([, name]) => name ?? '');
    assert.ok(named.length > 3);
    assert.deepEqual(
      named.filter((name) => !(name in scripts)),
      [],
    );
  });

  it('shows a configuration that is accepted', () => {
    const shown = blocks(readme, 'json');
    assert.ok(shown.length >= 4);
    // qemu-wrap's has sections for domains.
    const [wrap, own] = [true, false].map((wanted) => shown.filter((text) => text.includes('"domains"') === wanted));
    for (const text of wrap ?? []) parseWrapConfig(text, 'docs');
    for (const text of own ?? []) parseConfig('docs', text);
    assert.ok(wrap?.length !== 0 && own?.length !== 0);
  });

  it('lists every key and variable of qemu-wrap, with its default', () => {
    for (const key of KEY_NAMES) {
      const line = readme.split('\n').find((row) => row.startsWith(`| \`${key}\``));
      assert.ok(line?.includes(`\`${KEYS[key].env}\``), key);
      const value = DEFAULTS[key];
      const shown = typeof value === 'string' ? value : JSON.stringify(value);
      if (key !== 'hugetlbfsDir' && shown !== undefined) assert.ok(line?.includes(`| \`${shown}\` |`), key);
    }
  });

  it('commands run as written', async () => {
    const noLeaks = await watchForLeaks();
    await withScope(async (scope) => {
      const runDir = await tempDir(scope);
      // A switch and a directory of the test's own; everything else as in the text.
      const env = { VHOST_HOST_RUN_DIR: runDir };
      const cwd = await tempDir(scope);
      await symlink(`${root}bin`, `${cwd}/bin`);
      // Pages other than README are for an installed package.
      const script = 'cd "$1" && PATH=$1/bin:$PATH && eval "$2"';
      const run = (line: string) => runToEnd(scope, 'sh', ['-c', script, 'sh', cwd, line], { env });
      scope.defer('the switch', () => run('bin/vhost-host stop').then(() => undefined));
      scope.defer('the guest', () => run('kill $(cat web.pid)').then(() => undefined));
      const [, ...lines] = commandsBelow('Use it', readme);
      assert.ok(lines.length >= 6);
      const looking = commandsBelow('Where to look', readme);
      assert.ok(looking.length >= 3);
      lines.splice(
        lines.findIndex((line) => line.startsWith('kill')),
        0,
        ...looking,
      );
      const told = new Map<string, string>();
      for (const line of lines) {
        const { code, stdout, stderr } = await run(line);
        assert.equal(code, 0, `${line}: ${stderr}`);
        told.set(line, stdout);
        if (!line.startsWith('kill')) continue;
        await until(() => !existsSync(`${cwd}/web.pid`), { deadline: 10_000, what: 'the guest to end' });
      }
      assert.match(told.get('bin/vhost-host ports') ?? '', /^ 0 +web-net0 +(connected|ready) /m);
      assert.match(told.get('bin/vhost-host logs') ?? '', /port web-net0 \(0\): front end connected/);
    });
    await noLeaks();
  });

  it('names subcommands and an API that are there', async () => {
    const noLeaks = await watchForLeaks();
    await withScope(async (scope) => {
      const runDir = await tempDir(scope);
      const env = { VHOST_HOST_RUN_DIR: runDir };
      const run = (...args: string[]) => runToEnd(scope, `${root}bin/vhost-host`, args, { env });
      scope.defer('the switch', () => run('stop').then(() => undefined));
      const named = [...readme.matchAll(/`vhost-host ([a-z]+)/g)].map(([, name]) => name ?? '');
      for (const name of new Set(named)) assert.equal((await run(name, '--help')).code, 0, name);
      assert.equal((await run('start')).code, 0);
      const paths = [...readme.matchAll(/http:\/\/localhost(\/\S+?)`/g)].map(([, path]) => path ?? '');
      assert.ok(paths.length > 0);
      for (const path of paths) assert.equal((await request(apiSocketPath(runDir), 'GET', path)).status, 200, path);
    });
    await noLeaks();
  });
});
