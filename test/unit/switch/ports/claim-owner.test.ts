import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { realHost } from '../../../../src/host/node-host.js';
import { startOf } from '../../../../src/host/kernel/process.js';
import { watchable } from '../../../../src/switch/ports/claim-owner.js';
import { call } from '../../../../src/switch/client/http.js';
import { claimSocketPath } from '../../../../src/switch/run-dir/paths.js';
import type { Claimant, Port } from '../../../../src/switch/model/schema.js';
import { until } from '../../../helpers/until.js';
import { failure, withDaemon } from '../support.js';
import type { Bench } from '../support.js';

const TAKEN = /^port g is taken: it was handed out \d+ s ago to a guest that is still to connect$/;

describe('a claim and the process that it is for', () => {
  let child: ChildProcess;
  let claimant: Claimant;

  beforeEach(async () => {
    child = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    claimant = { pid, started: (await startOf(realHost, pid)) ?? 0 };
  });
  afterEach(end);

  /** Ends the process, and waits until it is collected. */
  async function end(): Promise<void> {
    if (child.exitCode !== null) return;
    child.stdin?.end();
    await once(child, 'exit');
  }

  async function claim({ runDir }: Bench, name: string, by?: Claimant, exact = true): Promise<Port> {
    const spec = { name, queues: 1, exact, ...(by === undefined ? {} : { claimant: by }) };
    return (await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', spec)) as Port;
  }

  async function pass(bench: Bench, seconds: number): Promise<void> {
    const rounds = bench.binding.aged.length;
    bench.clock.advance(seconds);
    await until(() => bench.binding.aged.length > rounds, { deadline: 5000, what: 'housekeeping' });
  }

  it('lasts while it lives, and no longer', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g', claimant);
      await pass(bench, 29);
      assert.match((await failure('PORT_IN_USE', claim(bench, 'g'))).message, TAKEN);
      await end();
      assert.equal((await claim(bench, 'g', undefined, false)).name, 'g');
      const line = 'port g (0) is free: the process that it was handed out to has ended';
      assert.ok(bench.log.some((said) => said.endsWith(line)));
      // The new claim has no process, and is none of the old one's.
      await pass(bench, 1);
      await failure('PORT_IN_USE', claim(bench, 'g'));
    }));

  it('leaves the port of an unwanted claim to go as that of a guest that went', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g', claimant);
      await end();
      await pass(bench, 1);
      await pass(bench, 9);
      assert.deepEqual(bench.binding.ports().length, 1);
      await pass(bench, 1);
      assert.deepEqual(bench.binding.ports(), []);
    }));

  it('is over when a guest has come, also one that lives on as a child', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g', claimant);
      bench.binding.change('g', { connected: true });
      await end();
      await pass(bench, 100);
      const error = await failure('PORT_IN_USE', claim(bench, 'g'));
      assert.equal(error.message, 'port g is taken: a guest is connected to it');
    }));

  it('makes room for others where many ended', () =>
    withDaemon(async (bench) => {
      for (let i = 0; i < 32; i++) await claim(bench, `g${i}`, claimant);
      await failure('PORT_LIMIT', claim(bench, 'h'));
      await end();
      assert.equal((await claim(bench, 'h')).name, 'h');
    }));

  it('lasts its time where the process is another one, or none', () =>
    withDaemon(async (bench) => {
      await claim(bench, 'g', { ...claimant, started: claimant.started + 1 });
      await end();
      assert.match((await failure('PORT_IN_USE', claim(bench, 'g', claimant))).message, TAKEN);
      await pass(bench, 30);
      await claim(bench, 'g', claimant);
      await failure('PORT_IN_USE', claim(bench, 'g'));
    }));

  it('is not watched where /proc does not let us look', async () => {
    const hidden = { readOptional: () => Promise.reject(Object.assign(new Error('hidden'), { code: 'EACCES' })) };
    assert.equal(await watchable(hidden, claimant), undefined);
    assert.deepEqual(await watchable(realHost, claimant), claimant);
  });
});
