import { strict as assert } from 'node:assert';
import { call } from '../../../../src/switch/client/http.js';
import { apiSocketPath, claimSocketPath, portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import type { Port, PortClaim } from '../../../../src/switch/model/schema.js';
import { siblingName } from '../../../../src/switch/ports/claim-rules.js';
import { until } from '../../../helpers/until.js';
import { failure, withDaemon } from '../support.js';
import type { Bench } from '../support.js';

const SOON = { deadline: 5000, what: 'housekeeping' };

async function claim({ runDir }: Bench, name: string, change: Partial<PortClaim> = {}): Promise<Port> {
  return (await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', {
    name,
    queues: 1,
    exact: true,
    ...change,
  })) as Port;
}

function names({ binding }: Bench): string[] {
  return binding.ports().map(({ name }) => name);
}

/** Moves the clock and waits until the round of housekeeping that this starts is through. */
async function pass(bench: Bench, seconds: number): Promise<void> {
  const rounds = bench.binding.aged.length;
  bench.clock.advance(seconds);
  await until(() => bench.binding.aged.length > rounds, SOON);
}

describe('claims', () => {
  it('make the port that is missing', () =>
    withDaemon(async (bench) => {
      const port = await claim(bench, 'g', { queues: 3 });
      assert.deepEqual(
        [port.name, port.origin, port.queues, port.state, port.socket],
        ['g', 'claim', 3, 'waiting', portSocketPath(bench.runDir, 'g')],
      );
    }));

  it('are reserved for 30 seconds, then given again', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g');
      await pass(bench, 29);
      const error = await failure('PORT_IN_USE', claim(bench, 'g'));
      assert.equal(error.message, 'port g is taken: it was handed out 29 s ago to a guest that is still to connect');
      await pass(bench, 1);
      assert.equal((await claim(bench, 'g')).id, 0);
    }));

  it('are refused while a guest is connected, and given again at once when it is gone', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g');
      bench.binding.connect('g');
      await pass(bench, 100);
      assert.equal(
        (await failure('PORT_IN_USE', claim(bench, 'g'))).message,
        'port g is taken: a guest is connected to it',
      );
      bench.binding.disconnect('g');
      assert.equal((await claim(bench, 'g')).id, 0);
    }));

  it('see a guest that came without an event', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g');
      bench.binding.change('g', { connected: true });
      await failure('PORT_IN_USE', claim(bench, 'g'));
      await pass(bench, 61);
      assert.deepEqual(names(bench), ['g']);
    }));

  it('with exact: false get a numbered sibling', () =>
    withDaemon(async (bench) => {
      const got = [];
      for (let i = 0; i < 3; i++) got.push((await claim(bench, 'qemu-n', { exact: false })).name);
      assert.deepEqual(got, ['qemu-n', 'qemu-n-2', 'qemu-n-3']);
      bench.binding.connect('qemu-n-2');
      bench.binding.disconnect('qemu-n-2');
      assert.equal((await claim(bench, 'qemu-n', { exact: false })).name, 'qemu-n-2');
    }));

  it('made by several guests at once never share a port', () =>
    withDaemon(async (bench) => {
      const specs = Array.from({ length: 8 }, () => claim(bench, 'q', { exact: false }));
      const got = (await Promise.all(specs)).map(({ name }) => name);
      assert.equal(new Set(got).size, 8);
    }));

  it('get a port of the configuration, which stays when the guest goes', () =>
    withDaemon(
      async (bench) => {
        assert.equal((await claim(bench, 'c')).origin, 'config');
        bench.binding.connect('c');
        bench.binding.disconnect('c');
        await pass(bench, 3600);
        assert.deepEqual(names(bench), ['c']);
        const error = await failure('PORT_IN_USE', claim(bench, 'c', { queues: 2 }));
        assert.equal(error.message, 'port c is taken: it has too few queues: 1, 2 asked for');
      },
      { ports: [{ name: 'c' }] },
    ));

  it('by a guest whose address a port is for get that port, whatever the guest is called', () => {
    const mac = '52:54:00:00:00:0a';
    return withDaemon(
      async (bench) => {
        assert.equal((await claim(bench, 'g', { mac: mac.toUpperCase() })).name, 'its');
        bench.binding.connect('its');
        const error = await failure('PORT_IN_USE', claim(bench, 'g', { mac, exact: false }));
        assert.equal(error.message, 'port its is taken: a guest is connected to it');
        // Another address, or none, is found by name.
        assert.equal((await claim(bench, 'g', { mac: '52:54:00:00:00:0b' })).name, 'g');
        assert.equal((await claim(bench, 'h')).name, 'h');
        await failure('USAGE', claim(bench, 'h', { mac: '01:00:5e:00:00:01' }));
        const twice = call(apiSocketPath(bench.runDir), 'POST', '/v1/ports', { name: 'twice', mac });
        assert.equal(
          (await failure('PORT_EXISTS', twice)).message,
          `port twice: port its is for the guest with ${mac}`,
        );
        assert.deepEqual(names(bench), ['its', 'g', 'h']);
      },
      { ports: [{ name: 'its', mac }] },
    );
  });

  it('for more queues than before make the port anew', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g');
      bench.binding.connect('g');
      bench.binding.disconnect('g');
      assert.equal((await claim(bench, 'g', { queues: 2 })).queues, 2);
      assert.equal(bench.binding.ports()[0]?.queuePairs, 2);
    }));

  it('lapse when no guest connects within 60 seconds', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g');
      await pass(bench, 59);
      assert.deepEqual(names(bench), ['g']);
      await pass(bench, 1);
      assert.deepEqual(names(bench), []);
      assert.ok(bench.log.some((line) => line.endsWith('port g (0) removed: no guest connected to it')));
    }));

  it('lapse when their guest has been gone for 10 seconds, not when it comes back', () =>
    withDaemon(async (bench) => {
      for (const name of ['gone', 'back']) {
        await claim(bench, name);
        bench.binding.connect(name);
        bench.binding.disconnect(name);
      }
      await pass(bench, 9);
      assert.deepEqual(names(bench), ['gone', 'back']);
      bench.binding.connect('back');
      await pass(bench, 1);
      assert.deepEqual(names(bench), ['back']);
      await pass(bench, 3600);
      assert.deepEqual(names(bench), ['back']);
    }));

  it('that nobody connects to are bounded', () =>
    withDaemon(async (bench) => {
      for (let i = 0; i < 32; i++) await claim(bench, `g${i}`);
      const error = await failure('PORT_LIMIT', claim(bench, 'h'));
      assert.equal(error.message, '32 ports are handed out to guests that have not connected yet');
      bench.binding.connect('g0');
      assert.equal((await claim(bench, 'h')).name, 'h');
    }));

  it('count as new names within the limit of a name', () => {
    const long = 'x'.repeat(63);
    assert.deepEqual([siblingName(long, 1), siblingName(long, 12)], [long, `${'x'.repeat(60)}-12`]);
  });
});
