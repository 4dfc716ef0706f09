import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import { Descriptors, descriptorsOf } from '../../../src/switch/descriptors.js';
import { holders } from '../../../src/switch/lock.js';
import { LogFile } from '../../../src/switch/log/log-file.js';
import { endsWithSession } from '../../../src/switch/run-dir/login-session.js';
import { request } from '../../../src/switch/client/http.js';
import { apiSocketPath, lockPath, logPath, portSocketPath } from '../../../src/switch/run-dir/paths.js';
import { FakeBinding } from '../../helpers/fake-binding.js';
import { until } from '../../helpers/until.js';
import { failure, fakeHost, settingsFor, startBench, withDaemon, withDir } from './support.js';
import type { Host } from '../../../src/host/host.js';

const SOON = { deadline: 5000, what: 'the switch to fix its run directory' };
const answers = async (dir: string): Promise<boolean> =>
  (await request(apiSocketPath(dir), 'GET', '/v1/status').catch(() => undefined))?.status === 200;

describe('a run directory that loses its files', () => {
  const losses: [string, (dir: string) => Promise<void>][] = [
    ['all of them', async (dir) => void (await Promise.all((await readdir(dir)).map((f) => unlink(join(dir, f)))))],
    ['the directory too', (dir) => rm(dir, { recursive: true })],
    ['its name', (dir) => rename(dir, `${dir}.aside`)],
    ['only the API', (dir) => unlink(apiSocketPath(dir))],
  ];
  for (const [what, lose] of losses) {
    it(`gets them back, and no second switch: ${what}`, () =>
      withDaemon(
        async ({ runDir, clock, log }) => {
          await lose(runDir);
          clock.advance(1);
          const said = (): number => log.filter((line) => line.includes('were removed from the run directory')).length;
          // The line comes last.
          const fixed = async (): Promise<boolean> => said() > 0 && (await answers(runDir));
          await until(async () => (await fixed()) && existsSync(portSocketPath(runDir, 'a')), SOON);
          assert.ok(existsSync(lockPath(runDir)));
          assert.equal(said(), 1);
          await failure('SWITCH_RUNNING', startBench(runDir));
        },
        { ports: [{ name: 'a' }] },
      ));
  }

  it('refuses a second one also before it has noticed', () =>
    withDaemon(async ({ runDir }) => {
      for (const file of await readdir(runDir)) await unlink(join(runDir, file));
      await failure('SWITCH_RUNNING', startBench(runDir));
    }));

  it('who holds a lock is read from /proc/locks', () => {
    const locks = [
      '1: FLOCK  ADVISORY  WRITE 10 00:1a:77 0 EOF',
      '1: -> FLOCK  ADVISORY  WRITE 16 00:1a:77 0 EOF',
      '2: POSIX  ADVISORY  WRITE 13 00:1a:77 0 EOF',
      '3: FLOCK  ADVISORY  READ 14 00:1a:777 0 EOF',
      '4: FLOCK  MSNFS     READ 15 00:1a:77 0 EOF',
    ].join('\n');
    assert.deepEqual(holders(locks, `${0x1a}:77`), [10, 15]);
    assert.deepEqual(holders('', `${0x1a}:77`), []);
    assert.deepEqual(holders(locks, '99:77'), [10, 15], 'of a file system that has another number there');
    const elsewhere = '5: FLOCK  ADVISORY  WRITE 20 fd:123:77 0 EOF';
    assert.deepEqual(holders(`${locks}\n${elsewhere}`, `${0x1a}:77`), [10, 15]);
    assert.deepEqual(holders(`${locks}\n${elsewhere}`, `${0x10fd23}:77`), [20]);
  });

  for (const [who, uids, refused] of [
    ["another user's process", { 11: 1 }, false],
    ['one of ours as well', { 11: 1, 12: 0 }, true],
    ['nobody that is seen', {}, true],
  ] as const)
    it(`${refused ? 'refuses' : 'starts'} where the lock on the directory is held by ${who}`, () =>
      withDir(async (dir) => {
        const host: Host = {
          ...realHost,
          readOptional: async (path) => {
            if (path !== '/proc/locks') return realHost.readOptional(path);
            const [, inode] = ((await realHost.identity(dir)) ?? '').split(':');
            return Object.keys(uids)
              .map((pid, n) => `${n}: FLOCK  ADVISORY  WRITE ${pid} 00:1a:${inode} 0 EOF`)
              .join('\n');
          },
          stat: async (path) => {
            const [, pid] = /^\/proc\/(\d+)$/.exec(path) ?? [];
            const shift = (uids as Record<string, number>)[pid ?? ''];
            const file = { kind: 'directory', mode: 0o555, gid: 0, size: 0, ctimeMs: 0 } as const;
            return shift === undefined ? realHost.stat(path) : { ...file, uid: realHost.uid() + shift };
          },
        };
        const binding = new FakeBinding();
        binding.lockDirectory = () => -1;
        const start = startBench(dir, {}, binding, host);
        if (refused) {
          await failure('SWITCH_RUNNING', start);
          return;
        }
        const { daemon } = await start;
        await failure('SWITCH_RUNNING', startBench(dir, {}, binding, host));
        await daemon.stop();
        assert.deepEqual(await readdir(dir), []);
      }));

  it("takes nothing away at its end that is another's by then", () =>
    withDir(async (parent) => {
      const dir = join(parent, 'run');
      const first = await startBench(dir);
      await rename(dir, `${dir}.aside`);
      const second = await startBench(dir);
      first.clock.advance(1);
      await until(() => first.log.some((line) => line.includes('another switch has the run directory')), SOON);
      await first.daemon.stop();
      assert.ok(await answers(dir));
      assert.ok(existsSync(lockPath(dir)));
      await second.daemon.stop();
      assert.deepEqual(await readdir(dir), []);
    }));
});

describe('descriptors', () => {
  const host = (limit: number, open: number) =>
    fakeHost({
      files: {
        '/proc/self/limits': `Max open files            ${limit}                 ${limit}                files\n`,
        ...Object.fromEntries(Array.from({ length: open }, (_, fd) => [`/proc/self/fd/${fd}`, ''])),
      },
    });

  it('are counted before a port is made: what was promised to others counts as taken', async () => {
    const said: string[] = [];
    const descriptors = await Descriptors.measure(host(128, 30), (line) => void said.push(line));
    await descriptors.check('a', 1, []);
    await descriptors.check('b', 1, [{ queues: 1 }]);
    const error = await failure('PORT_LIMIT', descriptors.check('c', 4, [{ queues: 1 }, { queues: 1 }]));
    assert.match(error.message, /^port c: not enough descriptors: .* 128 open files/);
    assert.match(error.hint ?? '', /^LimitNOFILE=\d+ in the service, or ulimit -n \d+/);
    assert.deepEqual(said, [error.message]);
  });

  it('of the switch itself are never promised away', async () => {
    for (const limit of [64, 96, 1024, 65_536]) {
      const descriptors = await Descriptors.measure(host(limit, 1), () => undefined);
      assert.equal(descriptors.forFrontEnds + descriptors.reserve, limit);
      assert.ok(2 * descriptors.clients < descriptors.reserve);
    }
    assert.ok(descriptorsOf(2) > descriptorsOf(1));
  });
});

describe('the log file', () => {
  it('makes way for a new one when it is full, and is made anew when it is gone', () =>
    withDir(async (dir) => {
      const said: string[] = [];
      const settings = settingsFor(dir, { logMaxBytes: 1000, logFiles: 2 });
      const parts = {
        host: realHost,
        binding: new FakeBinding(),
        settings,
        log: (line: string) => void said.push(line),
      };
      await writeFile(logPath(dir), '');
      const log = await LogFile.of(parts);
      for (let n = 0; n < 4; n++) {
        await log.tend();
        assert.equal(said.length, n);
        await truncate(logPath(dir), 1000 + n);
        await log.tend();
      }
      assert.deepEqual((await readdir(dir)).sort(), ['switch.log', 'switch.log.1', 'switch.log.2']);
      assert.equal((await stat(`${logPath(dir)}.2`)).size, 1002);
      await unlink(logPath(dir));
      await log.tend();
      assert.ok(existsSync(logPath(dir)));
      // Under its name, and not it: what is written would be read by nobody.
      await rename(logPath(dir), `${logPath(dir)}.moved`);
      await writeFile(logPath(dir), 'of a start that was refused\n');
      const before = said.length;
      await log.tend();
      await log.tend();
      assert.deepEqual(said.slice(before), ['log opened anew: another file has its name']);
    }));
});

describe('a run directory of a login session', () => {
  const files = { '/etc/passwd': 'ann:x:1000:1000::/home/ann:/bin/sh\n' };
  const env = { XDG_RUNTIME_DIR: '/run/user/1000' };
  it('is warned of, with the command that keeps it', async () => {
    const warning = await endsWithSession(fakeHost({ uid: 1000, env, files }), '/run/user/1000/vhost-host');
    assert.match(warning ?? '', /loginctl enable-linger ann/);
  });
  it('is none elsewhere, for root, and where the user lingers', async () => {
    const dir = '/run/user/1000/vhost-host';
    const lingers = await realHost.stat('/etc');
    assert.ok(lingers !== undefined);
    const stats = { '/var/lib/systemd/linger/ann': lingers };
    assert.equal(await endsWithSession(fakeHost({ uid: 1000, env, files, stats }), dir), undefined);
    assert.equal(await endsWithSession(fakeHost({ uid: 0, env, files }), dir), undefined);
    assert.equal(await endsWithSession(fakeHost({ uid: 1000, env, files }), '/srv/x'), undefined);
  });
});
