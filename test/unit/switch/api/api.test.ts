import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { SwitchClient } from '../../../../src/switch/client/client.js';
import { request } from '../../../../src/switch/client/http.js';
import { apiSocketPath, claimSocketPath, portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import { ApiError } from '../../../../src/switch/model/schema.js';
import { withDaemon } from '../support.js';

function errorOf(body: unknown): ApiError['error'] {
  return ApiError.parse(body).error;
}

describe('the API: each endpoint', () => {
  it('GET /v1/version', () =>
    withDaemon(async ({ runDir }) => {
      const answer = await request(apiSocketPath(runDir), 'GET', '/v1/version');
      assert.deepEqual(answer, { status: 200, body: { version: '9.9.9' } });
    }));

  it('GET /v1/status', () =>
    withDaemon(
      async ({ runDir, clock, binding }) => {
        clock.advance(65);
        binding.connect('a');
        binding.emit({ type: 'lost', count: 3 });
        const { startedAt, ...status } = await new SwitchClient(runDir).status();
        assert.ok(Math.abs(Date.parse(startedAt) - Date.now()) < 60_000);
        assert.deepEqual(status, {
          version: '9.9.9',
          pid: process.pid,
          runDir,
          apiSocket: apiSocketPath(runDir),
          log: null,
          config: '/x.json',
          uptimeSeconds: 65,
          dpdk: 'DPDK 0.0.0',
          hugepages: false,
          hugepagesReason: 'switched off by the settings',
          poll: 'adaptive',
          instructionSet: 'x86-64-v2',
          workers: [{ id: 0, cpu: null, tid: 4000, queues: 1, packets: 7, sleeps: 3, cycles: 200, busyCycles: 50 }],
          ports: 2,
          portsReady: 1,
          macs: 0,
          eventsLost: 3,
          contested: [],
        });
      },
      { configFile: '/x.json', ports: [{ name: 'a' }, { name: 'b' }] },
    ));

  it('POST, GET and DELETE /v1/ports', () =>
    withDaemon(async ({ runDir, binding }) => {
      const client = new SwitchClient(runDir);
      const socket = join(runDir, 'other');
      await client.addPort({ name: 'a' });
      const created = await request(apiSocketPath(runDir), 'POST', '/v1/ports', {
        name: 'b',
        socket,
        queues: 2,
        offloads: true,
      });
      assert.equal(created.status, 201);
      binding.change('b', {
        connected: true,
        features: (1n << 15n) | (1n << 32n) | (1n << 52n),
        memoryBytes: 1n << 28n,
        queues: [{ index: 1, size: 256, live: true, worker: 0 }],
      });
      binding.macTable = [{ mac: '52:54:00:00:00:01', vlan: 1001, port: 1, ageSeconds: 4 }];
      const b = await client.ports().then(({ ports }) => ports[1]);
      assert.deepEqual(b, {
        id: 1,
        name: 'b',
        socket,
        queues: 2,
        offloads: true,
        queuesInUse: 1,
        transports: ['user'],
        device: null,
        mac: null,
        origin: 'api',
        state: 'connected',
        missing: { reason: 'no_front_end', text: 'nobody is connected to its socket', hint: null },
        vlanTag: 1001,
        vlan: 'none',
        macLimit: 2048,
        forwardReserved: false,
        owner: null,
        features: ['mrg_rxbuf', 'version_1', 'bit_52'],
        memoryBytes: 268_435_456,
        rings: [{ index: 1, size: 256, live: true, worker: 0 }],
        macs: ['52:54:00:00:00:01'],
        pools: [],
      });
      assert.deepEqual((await request(apiSocketPath(runDir), 'GET', '/v1/ports/b')).body, b);
      assert.deepEqual(await client.removePort('a'), { removed: 'a' });
      assert.deepEqual((await client.ports()).ports, [b]);
      const again = await client.addPort({ name: 'c' });
      assert.equal(again.id, 0);
      assert.equal(again.state, 'waiting');
    }));

  it('GET /v1/macs, with the name of the port', () =>
    withDaemon(
      async ({ runDir, binding }) => {
        const entry = { mac: '52:54:00:00:00:01', vlan: 1000, port: 0, ageSeconds: 4 };
        // An address of a port that was removed a moment ago is nobody's.
        binding.macTable = [entry, { ...entry, port: 9 }];
        assert.deepEqual(await new SwitchClient(runDir).macs(), { macs: [{ ...entry, port: 'a', id: 0 }] });
      },
      { ports: [{ name: 'a' }] },
    ));

  it('GET /v1/stats, exact as long as JSON can be', () =>
    withDaemon(
      async ({ runDir, binding }) => {
        const drops = { rx_ring_full: 5n, tx_runt: 0n };
        const counters = {
          txPackets: 1n,
          txBytes: 60n,
          rxPackets: 2n,
          rxBytes: 1n << 60n,
          interrupts: 3n,
          interruptsApart: 2n,
          unlearned: 4n,
          drops,
        };
        binding.change('a', { counters });
        assert.deepEqual(await new SwitchClient(runDir).stats(), {
          ports: [
            {
              name: 'a',
              id: 0,
              counters: {
                txPackets: 1,
                txBytes: 60,
                rxPackets: 2,
                rxBytes: Number.MAX_SAFE_INTEGER,
                interrupts: 3,
                interruptsApart: 2,
                unlearned: 4,
                drops: { rx_ring_full: 5, tx_runt: 0 },
              },
            },
          ],
          uplinks: [],
        });
      },
      { ports: [{ name: 'a' }] },
    ));

  it('wrap.sock gives ports and the version, and nothing else', () =>
    withDaemon(async ({ runDir }) => {
      const socket = claimSocketPath(runDir);
      assert.equal((await request(socket, 'GET', '/v1/version')).status, 200);
      const claim = await request(socket, 'POST', '/v1/ports/claim', { name: 'g', queues: 1, exact: true });
      assert.equal((claim.body as { socket: string }).socket, portSocketPath(runDir, 'g'));
      for (const [method, path] of [
        ['GET', '/v1/status'],
        ['GET', '/v1/ports'],
        ['POST', '/v1/ports'],
        ['DELETE', '/v1/ports/g'],
        ['GET', '/v1/macs'],
        ['GET', '/v1/stats'],
        ['POST', '/v1/stop'],
      ] as const) {
        const answer = await request(socket, method, path);
        assert.deepEqual([answer.status, errorOf(answer.body).code], [404, 'USAGE']);
      }
    }));
});
