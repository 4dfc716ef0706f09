import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Switch } from '../../helpers/switch.js';
import { Testpmd } from '../../helpers/guests/testpmd.js';
import { until } from '../../helpers/until.js';
import { CountingGuest } from '../../helpers/guests/virtio-user.js';
import { freshScope } from '../../helpers/fresh-scope.js';

const macs = ['02:00:00:00:00:0a', '02:00:00:00:00:0b', '02:00:00:00:00:0c', '02:00:00:00:00:0d'];
const names = ['a', 'b', 'c', 'd'];

describe('workers', function () {
  this.timeout(60_000);
  const scope = freshScope();

  /** CPU seconds that a process has used. */
  async function cpuSeconds(pid: number): Promise<number> {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime and stime, in ticks of 10 ms (USER_HZ is 100 on every Linux).
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  it('sleep while four connected guests are silent, and wake for the first frame', async () => {
    const vswitch = await Switch.start(scope());
    const nics = [];
    for (const [i, name] of names.entries())
      nics.push({ socket: (await vswitch.addPort(name)).socket, mac: macs[i] ?? '' });
    const guest = await CountingGuest.start(scope(), nics);
    for (const name of names) await vswitch.portReady(name);
    const { pid } = await vswitch.status();
    // A share of what passes meanwhile, so the machine's speed does not matter. Right after the guests came up there
    // is work left; the share must come down to the limit and not just dip below it for an instant.
    const quiet = async (): Promise<boolean> => {
      const [cpu, start] = [await cpuSeconds(pid), Date.now()];
      await until(() => Date.now() - start >= 2000, { deadline: 10_000, what: 'two seconds to pass' });
      return (await cpuSeconds(pid)) - cpu < (0.02 * (Date.now() - start)) / 1000;
    };
    await until(quiet, { deadline: 20_000, what: 'the idle switch to need less than 2 % of a CPU' });
    const sent = await guest.send(macs[1] ?? '', { nic: 0 });
    await guest.received(sent, 1);
  });

  it('share the queues, and are spread anew under traffic without losing count', async () => {
    // Both anywhere: what is tested is who polls what, not how fast.
    const vswitch = await Switch.start(scope(), { args: ['--workers', '0,1', '--rx-retry', '0'] });
    // Pairs of one worker each: a and c were made for it, b and d go.
    for (const name of names) await vswitch.addPort(name, 2);
    const pollers = async (): Promise<number[]> =>
      (await vswitch.ports()).flatMap(({ rings }) => rings.filter(({ worker }) => worker >= 0).map((r) => r.worker));
    const share = async (worker: number): Promise<number> => (await pollers()).filter((id) => id === worker).length;
    assert.deepEqual([await share(0), await share(1)], [4, 4]);
    const device = async (index: number): Promise<string> =>
      `net_virtio_user${index},mac=${macs[index]},path=${(await vswitch.port(names[index] ?? '')).socket},queues=2,cq=1`;
    const args = ['--forward-mode=mac', `--eth-peer=0,${macs[1]}`, `--eth-peer=1,${macs[0]}`, '--rxq=2', '--txq=2'];
    const testpmd = await Testpmd.start(scope(), { vdevs: [await device(0), await device(1)], args });
    for (const name of ['a', 'b']) await vswitch.portReady(name);
    await testpmd.command('start tx_first 4');
    const packets = async (): Promise<number> => (await vswitch.counters('a')).rxPackets;
    for (let round = 0; round < 10; round++) {
      // Ports that go leave the load uneven.
      if (round === 3) await vswitch.removePort('c');
      if (round === 6) await vswitch.removePort('d');
      const { code, stderr } = await vswitch.cli('rebalance');
      assert.equal(code, 0, stderr);
      assert.ok(Math.abs((await share(0)) - (await share(1))) <= 1, `even in round ${round}`);
      const goal = (await packets()) + 5000;
      await until(async () => (await packets()) >= goal, { deadline: 20_000, what: '5000 more frames at a' });
    }
    await testpmd.command('stop');
    const [a, b] = [await vswitch.counters('a'), await vswitch.counters('b')];
    const drops = [a, b].flatMap(({ drops: reasons }) => Object.values(reasons)).reduce((x, y) => x + y, 0);
    assert.equal(a.txPackets + b.txPackets, a.rxPackets + b.rxPackets + drops, 'every frame delivered or counted');
  });
});
