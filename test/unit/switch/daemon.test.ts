import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import { request } from '../../../src/switch/client/http.js';
import {
  apiSocketPath,
  claimSocketPath,
  lockPath,
  portSocketPath,
  socketRecordPath,
} from '../../../src/switch/run-dir/paths.js';
import { FakeBinding } from '../../helpers/fake-binding.js';
import { until, within } from '../../helpers/until.js';
import { failure, leaveDeadSocket, settingsFor, startBench, whileListening, withDaemon, withDir } from './support.js';

const SOON = { deadline: 5000, what: 'the switch' };

describe('the daemon: coming up', () => {
  it('makes two sockets for the owner alone, and starts the engine as told', () =>
    withDaemon(
      async ({ runDir, binding }) => {
        for (const path of [apiSocketPath(runDir), claimSocketPath(runDir)]) {
          assert.equal((await stat(path)).mode & 0o777, 0o600);
        }
        assert.deepEqual(binding.started, {
          workers: [-1],
          hugepages: false,
          memoryMb: 32,
          memoryChannels: 0,
          frontEndDescriptors: binding.started?.frontEndDescriptors,
          logLevel: 7,
          poll: 'busy',
          rxRetryNum: 4,
          rxRetryDelayUs: 15,
          isolate: false,
          zeroCopy: false,
          rxDescriptors: 32,
          txDescriptors: 64,
          physicalAddresses: false,
        });
      },
      { memoryMb: 32, logLevel: 7, poll: 'busy' },
    ));

  it('opens the claim socket, and only that, to the group that may connect', () => {
    const gid = process.getgid?.() ?? 0;
    return withDaemon(
      async ({ runDir }) => {
        assert.equal((await stat(apiSocketPath(runDir))).mode & 0o777, 0o600);
        const claims = await stat(claimSocketPath(runDir));
        assert.deepEqual([claims.mode & 0o777, claims.gid], [0o660, gid]);
      },
      { socketGid: gid, claimGid: gid },
    );
  });

  it('makes the ports of the configuration', () =>
    withDir(async (dir) => {
      const ports = [{ name: 'a' }, { name: 'b', queues: 2, socket: join(dir, 'own') }];
      const { binding, daemon } = await startBench(dir, { ports });
      const made = binding.ports().map(({ name, socketPath, queuePairs }) => [name, socketPath, queuePairs]);
      await daemon.stop();
      assert.deepEqual(made, [
        ['a', portSocketPath(dir, 'a'), 1],
        ['b', join(dir, 'own'), 2],
      ]);
    }));

  it('refuses a second one, names the first, and leaves it alone', () =>
    withDaemon(async ({ runDir }) => {
      const error = await failure('SWITCH_RUNNING', startBench(runDir));
      assert.equal(error.message, `a switch is running in ${runDir} (process ${process.pid}) already`);
      assert.equal(error.hint, `vhost-host stop --run-dir ${runDir}`);
      assert.equal((await request(apiSocketPath(runDir), 'GET', '/v1/status')).status, 200);
      assert.ok(existsSync(lockPath(runDir)));
    }));

  it('clears up after one that was killed', () =>
    withDir(async (dir) => {
      const port = portSocketPath(dir, 'a');
      const leftovers = [apiSocketPath(dir), claimSocketPath(dir), port, join(dir, 'elsewhere')];
      for (const path of leftovers) await leaveDeadSocket(path);
      await writeFile(lockPath(dir), '');
      await writeFile(socketRecordPath(dir), JSON.stringify([port, join(dir, 'elsewhere')]));
      const bench = await startBench(dir);
      assert.deepEqual((await readdir(dir)).sort(), ['api.sock', 'lock', 'wrap.sock']);
      assert.equal(bench.log.filter((line) => line.includes('left by a switch that was killed')).length, 4);
      await bench.daemon.stop();
    }));

  it('takes over a dead socket of its own name even without a record', () =>
    withDir(async (dir) => {
      await leaveDeadSocket(portSocketPath(dir, 'a'));
      const bench = await startBench(dir, { ports: [{ name: 'a' }] });
      await bench.daemon.stop();
      assert.deepEqual(await readdir(dir), []);
    }));

  it('leaves nothing behind when it fails half-way', () =>
    withDir(async (dir) => {
      await writeFile(join(dir, 'file'), '');
      const ports = [{ name: 'a' }, { name: 'b', socket: join(dir, 'file') }];
      const error = await failure('PORT_FAILED', startBench(dir, { ports }));
      assert.match(error.message, /port b: cannot use .*file: it exists and is not a socket/);
      assert.deepEqual(await readdir(dir), ['file']);
      const again = await startBench(dir);
      await again.daemon.stop();
    }));

  it("tells the engine's reason", () =>
    withDir(async (dir) => {
      const binding = new FakeBinding();
      binding.startError = new Error('no memory\nat all');
      const error = await failure('ENGINE_FAILED', startBench(dir, {}, binding));
      assert.equal(error.message, 'the packet engine does not start: no memory at all');
      assert.deepEqual(await readdir(dir), []);
    }));

  it('says what cannot be locked', () =>
    withDir(async (dir) => {
      const binding = new FakeBinding();
      binding.lock = () => {
        throw new Error('EROFS');
      };
      const error = await failure('RUN_DIR_UNUSABLE', startBench(dir, {}, binding));
      assert.equal(error.message, `cannot lock ${lockPath(dir)}: EROFS`);
    }));
});

describe('the daemon: workers', () => {
  const host = {
    ...realHost,
    readOptional: (path: string) =>
      path === '/proc/self/status' ? Promise.resolve('Cpus_allowed_list:\t0-1\n') : realHost.readOptional(path),
  };

  it('run only on CPUs that this process may use', () =>
    withDir(async (dir) => {
      const error = await failure('USAGE', startBench(dir, { workers: [1, 5] }, new FakeBinding(), host));
      assert.equal(error.message, 'worker CPU 5: this process may only run on CPU 0, 1');
      assert.equal(error.hint, 'vhost-host start --workers 0');
      await (await startBench(dir, { workers: [1] }, new FakeBinding(), host)).daemon.stop();
    }));

  it('are no more than the engine has room for', () =>
    withDir(async (dir) => {
      const error = await failure('USAGE', startBench(dir, settingsFor(dir, { workers: [0, 1, 2] })));
      assert.equal(error.message, '3 workers asked for, at most 2');
    }));
});

describe('the daemon: going down', () => {
  it('leaves no socket, no lock and no record, wherever the sockets were', () =>
    withDir(async (dir) => {
      const ports = [{ name: 'a' }, { name: 'b', socket: join(dir, 'outside') }];
      const bench = await startBench(join(dir, 'run'), { ports });
      assert.ok(existsSync(join(dir, 'outside')));
      await Promise.all([bench.daemon.stop(), bench.daemon.stop()]);
      await bench.daemon.stopped;
      assert.deepEqual(await readdir(join(dir, 'run')), []);
      assert.deepEqual(await readdir(dir), ['run']);
      assert.equal(bench.clock.running, 0);
      assert.equal(bench.log.filter((line) => line.endsWith('switch stops')).length, 1);
    }));

  it('is not held up by a client that says nothing', () =>
    withDir(async (dir) => {
      const bench = await startBench(dir);
      const client = connect(apiSocketPath(dir));
      await new Promise((resolve) => client.once('connect', resolve));
      const closed = new Promise((resolve) => client.once('close', resolve));
      client.resume();
      await within(bench.daemon.stop(), SOON);
      await within(closed, SOON);
    }));

  it('comes when the API is asked, which answers first', () =>
    withDir(async (dir) => {
      const bench = await startBench(dir);
      const answer = await request(apiSocketPath(dir), 'POST', '/v1/stop');
      assert.deepEqual(answer, { status: 202, body: { stopping: true, pid: process.pid } });
      await within(bench.daemon.stopped, SOON);
      assert.deepEqual(await readdir(dir), []);
    }));

  it('goes on where one step fails, and says so', () =>
    withDir(async (dir) => {
      const binding = new FakeBinding();
      const bench = await startBench(dir, { ports: [{ name: 'a' }] }, binding);
      const stop = binding.stop.bind(binding);
      binding.stop = () => {
        stop();
        throw new Error('stuck');
      };
      await bench.daemon.stop();
      assert.deepEqual(await readdir(dir), []);
      assert.ok(bench.log.some((line) => line.endsWith('taking down the engine failed: stuck')));
    }));

  it('keeps the lock until everything else is down', () =>
    withDir(async (dir) => {
      const binding = new FakeBinding();
      const bench = await startBench(dir, { ports: [{ name: 'a' }] }, binding);
      let seen: string[] | undefined;
      const unlock = binding.unlock.bind(binding);
      binding.unlock = (fd) => {
        seen = binding.ports().map(({ name }) => name);
        unlock(fd);
      };
      await bench.daemon.stop();
      assert.deepEqual(seen, []);
    }));
});

describe('the daemon: sockets of others', () => {
  it('a socket that somebody listens on is never taken', () =>
    withDaemon(async ({ runDir }) => {
      const ours = portSocketPath(runDir, 'a');
      const theirs = join(runDir, 'theirs');
      for (const [socket, body] of [
        [ours, { name: 'a' }],
        [theirs, { name: 'b', socket: theirs }],
      ] as const) {
        await whileListening(socket, async () => {
          const answer = await request(apiSocketPath(runDir), 'POST', '/v1/ports', body);
          assert.equal(answer.status, 422);
          assert.match(JSON.stringify(answer.body), /PORT_FAILED.*somebody listens on it/);
          assert.ok(existsSync(socket));
        });
      }
    }));

  it('a dead one with a name that is not ours is left to its owner', () =>
    withDaemon(async ({ runDir }) => {
      const theirs = join(runDir, 'theirs');
      await leaveDeadSocket(theirs);
      const answer = await request(apiSocketPath(runDir), 'POST', '/v1/ports', { name: 'b', socket: theirs });
      assert.equal(answer.status, 422);
      assert.match(JSON.stringify(answer.body), new RegExp(`nobody listens on.*"hint":"rm ${theirs}"`));
      assert.ok(existsSync(theirs));
    }));

  it('housekeeping ages addresses, and goes on after a failure', () =>
    withDaemon(
      async ({ binding, clock, log }) => {
        clock.advance(1);
        await until(() => binding.aged.length === 1, SOON);
        assert.deepEqual(binding.aged, [77]);
        const ports = binding.ports.bind(binding);
        binding.ports = () => {
          throw new Error('broken');
        };
        clock.advance(1);
        await until(() => log.some((line) => line.endsWith('housekeeping failed: broken')), SOON);
        binding.ports = ports;
        await until(() => {
          clock.advance(1);
          return binding.aged.length === 2;
        }, SOON);
      },
      { macAgeing: 77 },
    ));
});
