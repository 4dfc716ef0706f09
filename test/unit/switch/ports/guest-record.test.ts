import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { until } from '../../../helpers/until.js';
import { call } from '../../../../src/switch/client/http.js';
import { apiSocketPath, claimSocketPath, guestRecordPath } from '../../../../src/switch/run-dir/paths.js';
import type { Port } from '../../../../src/switch/model/schema.js';
import { startBench, withDir } from '../support.js';
import type { Bench } from '../support.js';

const SOON = { deadline: 5000, what: 'the record' };

async function portsOf({ runDir }: Bench): Promise<string[]> {
  const { ports } = (await call(apiSocketPath(runDir), 'GET', '/v1/ports')) as { ports: Port[] };
  return ports.map(({ name, queues, origin }) => `${name} ${queues} ${origin}`);
}

/** Claims a port, and has its guest connect where `connected`. */
async function claim({ runDir, binding }: Bench, name: string, queues: number, connected: boolean): Promise<void> {
  const spec = { name, queues, exact: true };
  await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', spec);
  if (connected) binding.connect(name);
}

describe('guests that outlive the switch', () => {
  it('find their ports again, but only those that were connected', () =>
    withDir(async (dir) => {
      const first = await startBench(dir);
      await claim(first, 'web', 2, true);
      await claim(first, 'never-came', 1, false);
      await first.daemon.stop();
      const second = await startBench(dir);
      assert.deepEqual(await portsOf(second), ['web 2 claim']);
      await second.daemon.stop();
    }));

  it('find their ports again after the switch was killed: they are written down while it runs', () =>
    withDir(async (dir) => {
      const first = await startBench(dir);
      await claim(first, 'web', 1, true);
      assert.equal(existsSync(guestRecordPath(dir)), false);
      first.clock.advance(1);
      await until(() => existsSync(guestRecordPath(dir)), SOON);
      await first.daemon.stop();
    }));

  it('find their ports again when the switch stops or is killed before they have come back', () =>
    withDir(async (dir) => {
      const first = await startBench(dir);
      await claim(first, 'web', 1, true);
      first.binding.disconnect('web');
      await first.daemon.stop();
      const second = await startBench(dir);
      assert.deepEqual(await portsOf(second), ['web 1 claim']);
      // Written by its housekeeping, which a switch that is killed has had.
      await claim(second, 'other', 1, true);
      second.clock.advance(1);
      await until(async () => (await readFile(guestRecordPath(dir), 'utf8')).includes('"other"'), SOON);
      assert.match(await readFile(guestRecordPath(dir), 'utf8'), /"web"/);
      await second.daemon.stop();
    }));

  it('that do not come back lose their port, and the record of it', () =>
    withDir(async (dir) => {
      await writeFile(guestRecordPath(dir), '[{"name":"web","queues":1}]');
      const bench = await startBench(dir);
      assert.deepEqual(await portsOf(bench), ['web 1 claim']);
      bench.clock.advance(11);
      await until(() => !existsSync(guestRecordPath(dir)), { deadline: 5000, what: 'the record to be gone' });
      assert.deepEqual(await portsOf(bench), []);
      await bench.daemon.stop();
    }));

  it('whose port the configuration has by now get that one', () =>
    withDir(async (dir) => {
      await writeFile(guestRecordPath(dir), '[{"name":"web","queues":1}]');
      const bench = await startBench(dir, { ports: [{ name: 'web', queues: 4 }] });
      assert.deepEqual(await portsOf(bench), ['web 4 config']);
      await bench.daemon.stop();
    }));

  it('cost nobody anything when the record is broken or their ports cannot be made', () =>
    withDir(async (dir) => {
      for (const text of ['nonsense', '{}', '[1,{"name":"../x","queues":1}]', '[{"name":"a","queues":99}]']) {
        await writeFile(guestRecordPath(dir), text);
        const bench = await startBench(dir);
        assert.deepEqual(await portsOf(bench), [], text);
        await bench.daemon.stop();
      }
    }));
});
