import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags, refusal } from '../../../src/common/node-flags.js';
import type { Program } from '../../../src/common/node-flags.js';
import { GUEST, TestPackage, VARIANTS } from './package.js';

for (const [variant, flags] of Object.entries(VARIANTS)) {
  describe(`which Node the launcher starts, ${variant}`, function () {
    this.timeout(60_000);
    let pkg: TestPackage;
    let node: string;

    before(function () {
      this.timeout(120_000);
      pkg = new TestPackage(flags);
      node = join(pkg.root, 'path', 'node');
      mkdirSync(join(pkg.root, 'path'));
    });
    beforeEach(() => pkg.usePlanner(''));
    afterEach(() => pkg.reset());
    after(() => pkg.remove());

    /** A program that is called node; `version` is a command that tells it. */
    function pretend(version: string): void {
      const rest = `printf '%s\\n' "$@" >'${pkg.root}/started'\nprintf 'vhost-host plan 1\\0a-S\\0.\\0'\n`;
      const asked = `if [ "$1" = --version ]; then echo x >>'${pkg.root}/asked'; ${version}; exit; fi`;
      writeFileSync(node, `#!/bin/sh\n${asked}\n${rest}`, { mode: 0o755 });
      for (const name of ['asked', 'started']) writeFileSync(join(pkg.root, name), '');
    }
    const read = (name: string): string[] => pkg.linesOf(name);
    const env = (): NodeJS.ProcessEnv => ({ PATH: `${join(pkg.root, 'path')}:${process.env['PATH']}` });

    const ways: readonly [Program, (more?: NodeJS.ProcessEnv) => ReturnType<TestPackage['run']>][] = [
      ['planner', (more) => pkg.run(GUEST, { ...env(), ...more })],
      ['command', (more) => pkg.run(['--command-line', '/x', 'ports'], { ...env(), ...more }, [], pkg.launcher)],
    ];

    it('asks it for its version, and gives it the flags of the table', async () => {
      for (const version of [
        'v20.19.0',
        'v22.0.0',
        'v22.14.0',
        'v23.6.9',
        'v24.22.3',
        'v26.99.0',
        'v27.0.0',
        'v100.0.0',
      ]) {
        pretend(`echo ${version}`);
        for (const [program, run] of ways) {
          const { code, stderr } = await run();
          deepEqual([code, stderr], [0, ''], version);
          const wanted = nodeFlags(program, version) ?? ['?'];
          deepEqual(read('started').slice(0, wanted.length), wanted, version);
          match(read('started')[wanted.length] ?? '', program === 'planner' ? /wrap-start\.cjs$/ : /^\/x$/);
        }
      }
    });

    it('one that does not tell its version gets what all take', async () => {
      for (const said of [
        'true',
        'exit 3',
        'echo hello',
        "printf '\\033[1m'",
        'kill -9 $$',
        'yes v20.19.0 2>&- | head -c 99999',
      ]) {
        pretend(said);
        const [program, run] = ways[0] ?? [];
        const { code, stderr } = (await run?.()) ?? {};
        const told = said.startsWith('yes') ? 'v20.19.0' : '';
        deepEqual([code, stderr], [0, ''], said);
        const wanted = nodeFlags(program ?? 'planner', told) ?? [];
        deepEqual(read('started').slice(0, wanted.length), wanted, said);
      }
    });

    it('refuses one that is too old, in the words of bin/vhost-host', async () => {
      for (const version of ['v0.12.18', 'v18.20.8', 'v20.18.9', 'v21.7.3']) {
        pretend(`echo ${version}`);
        for (const [program, run] of ways) {
          const { code, stdout, stderr } = await run();
          const who = program === 'planner' ? 'qemu-wrap' : 'vhost-host';
          deepEqual([code, stdout, stderr], [1, '', `${who}: ${refusal(version, node)}\n`]);
        }
        deepEqual(read('started'), []);
      }
    });

    it('does not ask the one that the build has seen, but asks when the file is another', async () => {
      pretend('echo v24.1.0');
      const { ino, size, mtimeNs } = statSync(node, { bigint: true });
      const line = `${ino} ${size} ${mtimeNs / 1_000_000_000n} ${mtimeNs % 1_000_000_000n} v22.15.0\n`;
      const run = async (seen: string): Promise<[number, boolean]> => {
        pkg.write('node.seen', seen);
        const before = read('asked').length;
        equal((await ways[0]?.[1]())?.code, 0);
        return [read('asked').length - before, read('started').includes('--no-expose-wasm')];
      };
      deepEqual(await run(`1 2 3 4 v20.19.0\n${line}`), [0, true]);
      deepEqual(await run(line.replace(` ${size} `, ` ${size + 1n} `)), [1, false]);
      deepEqual(await run(line.replace(/^\d+/, '1')), [1, false]);
      for (const nonsense of ['', 'a b c', `${ino} ${size}`, '\0\0\0', `${line.trim()}${'9'.repeat(5000)}`]) {
        const [, wasm] = await run(nonsense);
        ok(nonsense.includes('v22') || !wasm, nonsense.slice(0, 40));
      }
    });

    it('variables for other Node programs do not reach the question, but the command line', async () => {
      pretend('test -z "$NODE_OPTIONS" && echo v24.1.0');
      const options = { NODE_OPTIONS: '--max-http-header-size=1' };
      for (const [, run] of ways) {
        equal((await run(options)).code, 0);
        ok(read('started').includes('--jitless') && !read('started').includes('--no-expose-wasm'));
      }
    });

    it('says what to build where there is no table', async () => {
      pretend('echo v24.1.0');
      pkg.forget('node.table');
      const { code, stderr } = (await ways[0]?.[1]()) ?? {};
      equal(code, 1);
      match(stderr ?? '', /^qemu-wrap: .*table of Node's flags is not there\n {2}npm install && npm run build\n$/);
    });
  });
}
