import { strict as assert } from 'node:assert';
import { appendFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeFlags } from '../../../../src/common/node-flags.js';
import { logPath } from '../../../../src/switch/run-dir/paths.js';
import { withDir } from '../../switch/support.js';
import { Desk } from '../support.js';

interface Started {
  command: string;
  args: readonly string[];
  log: string;
  released: boolean;
}

/** A desk whose daemon says `line` after writing `words` to its log. */
function deskWith(line: string | undefined, words = ''): { desk: Desk; started: Started[] } {
  const desk = new Desk();
  const started: Started[] = [];
  desk.spawn = (command, args, log) => {
    const entry = { command, args, log, released: false };
    started.push(entry);
    appendFileSync(log, words);
    const release = (): void => void (entry.released = true);
    return Promise.resolve({ pid: 77, firstLine: Promise.resolve(line), release });
  };
  return { desk, started };
}

describe('start in the background', () => {
  it('runs itself with the same settings, absolute paths and a descriptor to answer on', () =>
    withDir(async (dir) => {
      const config = join(dir, 'c.json');
      await writeFile(config, '{}');
      const { desk, started } = deskWith('{"ready":true,"pid":77}');
      const run = join(dir, 'run');
      const flags = ['--config', config, '--workers', '0-1', '--poll', 'busy', '--hugepages', 'off', '--run-dir', run];
      flags.push(
        '--mergeable',
        '0',
        '--rx-retry',
        '0',
        '--rx-retry-num',
        '7',
        '--rx-retry-delay',
        '20',
        '--dev-basename',
        'vh',
      );
      const outcome = await desk.run('start', ...flags);
      assert.deepEqual(outcome, { code: 0, out: [`switch running in ${run} (process 77)`], err: [] });
      const node = nodeFlags('command', 'v20.19.0') ?? [];
      assert.ok(node.includes('--jitless'));
      const args = [...node, '/x/main.js', 'start', '--foreground', '--ready-fd', '3', '--config', config, '--flags'];
      const [daemon] = started;
      assert.deepEqual(daemon, {
        ...{ command: '/bin/node', args: [...args, daemon?.args.at(-1)], log: logPath(run), released: true },
      });
      assert.deepEqual(JSON.parse(daemon?.args.at(-1) ?? ''), {
        runDir: run,
        ...{ workers: [0, 1], poll: 'busy', hugepages: 'off', mergeable: false },
        ...{ rxRetry: false, rxRetryNum: 7, rxRetryDelay: 20, devBaseName: 'vh', uplink: [] },
      });
      assert.equal(desk.loads, 0);
    }));

  it('takes the run directory of the configuration', () =>
    withDir(async (dir) => {
      const config = join(dir, 'c.json');
      await writeFile(config, JSON.stringify({ runDir: join(dir, 'own') }));
      const { desk, started } = deskWith('{"ready":true,"pid":77}');
      await desk.run('start', '--config', config);
      assert.equal(started[0]?.log, logPath(join(dir, 'own')));
    }));

  it("fails with the daemon's own reason", () =>
    withDir(async (dir) => {
      const error = { code: 'SWITCH_RUNNING', message: 'a switch is running', hint: 'vhost-host stop' };
      const { desk, started } = deskWith(JSON.stringify({ error }));
      const outcome = await desk.run('start', '--run-dir', dir);
      assert.deepEqual(outcome, { code: 1, out: [], err: ['a switch is running', `vhost-host stop --run-dir ${dir}`] });
      assert.equal(started[0]?.released, true);
    }));

  it('shows the last words of a daemon that ended without a reason, and only of this one', () =>
    withDir(async (dir) => {
      await writeFile(logPath(dir), 'of the start before\n');
      const { desk } = deskWith(undefined, 'one\n\ntwo\nthree\u001b[0m\nfour\n');
      const { code, err } = await desk.run('start', '--run-dir', dir);
      assert.equal(code, 1);
      assert.deepEqual(err, ['the switch ended while starting: two | three\\x1b[0m | four', `less ${logPath(dir)}`]);
      const silent = await deskWith(undefined).desk.run('start', '--run-dir', dir);
      assert.equal(silent.err[0], 'the switch ended while starting');
    }));

  it('starts nothing where the settings are wrong or the directory is not fit', () =>
    withDir(async (dir) => {
      const config = join(dir, 'c.json');
      await writeFile(config, '{"prts":[]}');
      const { desk, started } = deskWith('{"ready":true}');
      const wrong = await desk.run('start', '--config', config, '--run-dir', dir);
      assert.deepEqual(wrong.err, [`unknown key "prts" in ${config}; did you mean "ports"?`]);
      const unfit = await desk.run('start', '--run-dir', config);
      assert.match(unfit.err[0] ?? '', /is not a directory$/);
      assert.equal(started.length, 0);
    }));
});
