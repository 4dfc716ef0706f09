import assert from 'node:assert/strict';
import { runToEnd } from '../../helpers/child.js';
import { root } from '../../helpers/paths.js';
import type { Report } from '../../bench/report/report.js';
import { figures } from '../../bench/report/report.js';
import { freshScope } from '../../helpers/fresh-scope.js';

describe('the bench', function () {
  this.timeout(150_000);
  const scope = freshScope();

  it('measures, finds every frame again, and leaves nothing', async () => {
    // Without what it would change on the machine. What it measures beside other tests is nobody's concern, so one short
    // window for each row will do.
    const args = ['--quick', '--windows', '1', '--seconds', '0.2', '--json', '--no-ovs', '--no-hugepages'];
    const { code, stdout, stderr } = await runToEnd(
      scope(),
      process.execPath,
      [`${root}build/test/bench/main.js`, ...args],
      {
        deadline: 140_000,
      },
    );
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as Report;
    assert.deepEqual(
      report.rows.map(({ id }) => id),
      ['split/64', 'split/1500/csum'],
    );
    for (const { id, ours, peer, inFlight } of report.rows) {
      const found = figures(ours);
      assert.ok(found !== undefined, id);
      assert.ok(found.packetsPerSecond > 0 && found.cyclesPerPacket > 0, id);
      assert.ok(found.busy > 0 && found.busy <= 1, id);
      assert.equal(inFlight, 1024);
      assert.deepEqual([found.lostByGuests, found.lostBySwitch], [0, 0], id);
      assert.equal(peer, null);
    }
    assert.deepEqual(
      report.nic.map(({ id }) => id),
      ['receive/split/64', 'transmit/packed/1500'],
    );
    for (const { id, ours } of report.nic) {
      const found = figures(ours);
      assert.ok(found !== undefined, id);
      assert.ok(found.packetsPerSecond > 0 && found.cyclesPerPacket > 0 && found.dropped < 1, id);
    }
    assert.equal(report.peerReason, 'left out by --no-ovs');
    assert.equal(report.memory?.ports, 16);
    assert.ok(report.latency !== null && report.latency.adaptive.frames > 0);
    assert.ok(report.memory.own > 0 && report.memory.files > 0);
  });
});
