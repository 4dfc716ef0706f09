import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../../src/host/node-host.js';
import { makeBridge } from '../../../../src/switch/ports/cuse-bridge.js';
import { call } from '../../../../src/switch/client/http.js';
import { apiSocketPath, claimSocketPath, portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import type { Port } from '../../../../src/switch/model/schema.js';
import type { Settings } from '../../../../src/switch/config/settings.js';
import { until } from '../../../helpers/until.js';
import { FakeBridge } from '../fake-bridge.js';
import { failure, startBench, withDir } from '../support.js';
import type { Bench } from '../support.js';

async function withBridge(
  work: (bench: Bench, bridge: FakeBridge) => Promise<void>,
  change: Partial<Settings> = {},
): Promise<void> {
  await withDir(async (dir) => {
    const runDir = join(dir, 'run');
    await mkdir(runDir, { mode: 0o700 });
    const bridge = await FakeBridge.start(runDir);
    try {
      const bench = await startBench(runDir, change);
      try {
        await work(bench, bridge);
      } finally {
        await bench.daemon.stop();
      }
    } finally {
      await bridge.stop();
    }
  });
}

async function add({ runDir }: Bench, spec: object): Promise<Port> {
  return (await call(apiSocketPath(runDir), 'POST', '/v1/ports', spec)) as Port;
}

async function claim({ runDir }: Bench, spec: object): Promise<Port> {
  const body = { queues: 1, exact: true, ...spec };
  return (await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', body)) as Port;
}

/** Lets the daemon's housekeeping run, until `done`. */
async function tick({ clock }: Bench, done: () => boolean): Promise<void> {
  await until(
    () => {
      clock.advance(1);
      return done();
    },
    { deadline: 10_000, what: 'housekeeping' },
  );
}

describe('devices of ports', () => {
  it('the first that is free, from 1, with owner and mode of the sockets; gone with their ports', () =>
    withBridge(
      async (bench, bridge) => {
        bridge.devices.set('usvhost-2', { opens: 1, socket: '/elsewhere', access: '' });
        const [a, b] = [
          await add(bench, { name: 'a', transports: ['user', 'cuse'] }),
          await add(bench, { name: 'b', transports: ['cuse'] }),
        ];
        assert.deepEqual([a.device, a.transports], ['/dev/usvhost-1', ['user', 'cuse']]);
        assert.deepEqual([b.device, b.transports], ['/dev/usvhost-3', ['cuse']]);
        assert.deepEqual(bridge.devices.get('usvhost-1'), {
          opens: 0,
          socket: portSocketPath(bench.runDir, 'a'),
          access: '660 -1 77',
        });
        // Nobody but the bridge connects to a port that is for cuse alone.
        const modes = bench.binding.added.map(({ socketMode, socketGid }) => [socketMode, socketGid]);
        assert.deepEqual(modes, [
          [0o660, 77],
          [0o600, -1],
        ]);
        assert.equal((await add(bench, { name: 'c' })).device, null);
        await call(apiSocketPath(bench.runDir), 'DELETE', '/v1/ports/b');
        assert.deepEqual([...bridge.devices.keys()], ['usvhost-2', 'usvhost-1']);
        await bench.daemon.stop();
        assert.deepEqual([...bridge.devices.keys()], ['usvhost-2']);
      },
      { socketMode: 0o660, socketGid: 77 },
    ));

  it('by number and base name, and the one that the port had before', () =>
    withBridge(
      async (bench, bridge) => {
        bridge.devices.set('vh-7', { opens: 2, socket: portSocketPath(bench.runDir, 'b'), access: '' });
        assert.equal((await add(bench, { name: 'a', transports: ['cuse'], devIndex: 40 })).device, '/dev/vh-40');
        assert.equal((await add(bench, { name: 'b', transports: ['cuse'] })).device, '/dev/vh-7');
        const error = await failure('PORT_FAILED', add(bench, { name: 'c', transports: ['cuse'], devIndex: 7 }));
        assert.match(error.message, /^the cuse bridge: \/dev\/vh-7: a guest still has it open$/);
        assert.deepEqual(
          bench.binding.ports().map(({ name }) => name),
          ['a', 'b'],
        );
        assert.equal(bridge.devices.get('vh-7')?.opens, 2);
      },
      { devBaseName: 'vh' },
    ));

  it('without the module there is no port, and the reason says what to do', () =>
    withBridge(async (bench, bridge) => {
      bridge.trouble = '/dev/cuse: it is not there (modprobe cuse)';
      const error = await failure('PORT_FAILED', add(bench, { name: 'a', transports: ['cuse'] }));
      assert.deepEqual([error.message, error.hint], [`the cuse bridge: ${bridge.trouble}`, 'sudo modprobe cuse']);
      assert.deepEqual(bench.binding.ports(), []);
      bridge.trouble = undefined;
      assert.equal((await add(bench, { name: 'a', transports: ['cuse'] })).device, '/dev/usvhost-1');
    }));

  it('of claims: made for the transport that is asked for, and made again by the next switch', () =>
    withBridge(async (bench, bridge) => {
      assert.equal((await claim(bench, { name: 'g', transport: 'cuse' })).device, '/dev/usvhost-1');
      bench.binding.connect('g');
      await add(bench, { name: 'u' });
      const error = await failure('PORT_IN_USE', claim(bench, { name: 'u', transport: 'cuse' }));
      assert.equal(error.message, 'port u is taken: it is not for cuse: its transports are user');
      assert.deepEqual((await claim(bench, { name: 'u' })).transports, ['user']);
      bridge.open('usvhost-1');
      await bench.daemon.stop();
      const next = await startBench(bench.runDir);
      try {
        const { ports } = (await call(apiSocketPath(bench.runDir), 'GET', '/v1/ports')) as { ports: Port[] };
        assert.deepEqual(
          ports.map(({ name, device }) => [name, device]),
          [['g', '/dev/usvhost-1']],
        );
      } finally {
        await next.daemon.stop();
      }
    }));

  it('lost with the bridge that was killed: made again, and told whose guest has lost its own', () =>
    withBridge(async (bench, bridge) => {
      await add(bench, { name: 'a', transports: ['cuse'] });
      await add(bench, { name: 'b', transports: ['cuse'], devIndex: 9 });
      const before = new Map(bridge.devices);
      bridge.open('usvhost-1');
      // Looked at once a second.
      bridge.asked.length = 0;
      await tick(bench, () => bridge.asked.includes('list'));
      bridge.forget();
      const said = () => bench.log.filter((line) => line.includes('made again'));
      await tick(bench, () => said().length === 2);
      assert.deepEqual(
        [...bridge.devices],
        [...before].map(([name, device]) => [name, { ...device, opens: 0 }]),
      );
      const why = 'made again, since the cuse bridge was killed';
      const lines = said().map((line) => line.replace(/^\S+ /, ''));
      assert.deepEqual(lines, [
        `port a (0): /dev/usvhost-1 ${why}; the guest that had it open has lost it until it is started anew`,
        `port b (1): /dev/usvhost-9 ${why}`,
      ]);
    }));

  it('that cannot be made again are told once, and made when they can be', () =>
    withBridge(async (bench, bridge) => {
      await add(bench, { name: 'a', transports: ['cuse'] });
      bridge.forget();
      bridge.trouble = '/dev/usvhost-1: the name is taken by another device';
      for (let round = 0; round < 2; round++) {
        const asked = bridge.asked.length;
        await tick(bench, () => bridge.asked.slice(asked).some((line) => line.startsWith('add')));
      }
      bridge.trouble = undefined;
      await tick(bench, () => bridge.devices.size === 1);
      const said = bench.log.filter((line) => line.includes('not made again'));
      assert.equal(said.length, 1, said.join());
      assert.match(said[0] ?? '', /devices are not made again: the cuse bridge: \/dev\/usvhost-1: the name is taken/);
    }));

  it('a bridge that cannot be started, or ends, is told as such', () =>
    withDir(async (dir) => {
      const log = join(dir, 'switch.log');
      await writeFile(log, '');
      const spec = { name: 'usvhost-1', socket: '/x', mode: 0o600, uid: -1, gid: -1 };
      const ended = makeBridge(realHost, dir, '/bin/false');
      const error = await failure('PORT_FAILED', ended.add(spec));
      assert.equal(error.message, `the cuse bridge: it ended while starting (see ${log})`);
      // Where none runs there is nothing to list, to remove or to retire.
      assert.deepEqual(await ended.list(), []);
      await ended.remove('usvhost-1');
      await ended.retire();
    }));
});
