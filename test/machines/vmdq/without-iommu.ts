import assert from 'node:assert/strict';
import { finished, packet } from '../../helpers/net/ip-frames.js';
import type { Machine } from '../../helpers/guests/machine/machine.js';
import type { Talker } from '../../helpers/guests/machine/talker.js';
import { until } from '../../helpers/until.js';

/** The switch anew, with the card in a driver that knows no IOMMU: it is told physical addresses. */

const mac = '02:00:00:00:00:0f';
const outside = '02:00:00:00:01:01';
const FLOWS = 12;
const LENGTH = 6;
/** What the card's rings take at once without losing any in silence. */
const BURST = 24;

/** Frame `seq` of a flow, from the guest or to it. */
function frame(flow: number, seq: number, from: string, to: string): Buffer {
  const payload = Buffer.from([flow, seq, ...Array<number>(40).fill(seq)]);
  return finished(packet({ v6: false, tcp: false, from, to, payload, flow: 2000 + flow }), false);
}

const all = (from: string, to: string): Buffer[] =>
  Array.from({ length: FLOWS * LENGTH }, (_, i) => frame(i % FLOWS, Math.floor(i / FLOWS), from, to));

function inOrder(frames: readonly Buffer[], wanted: readonly Buffer[]): void {
  const flowOf = (data: Buffer): number => data.readUInt16BE(34);
  for (const flow of new Set(wanted.map(flowOf))) {
    const ofFlow = (data: Buffer): boolean => flowOf(data) === flow;
    assert.deepEqual(frames.filter(ofFlow), wanted.filter(ofFlow), `flow ${flow}`);
  }
}

export function describeWithoutIommu(machineOf: () => Machine): void {
  describe('by uio_pci_generic, with two queues', () => {
    let guest: Talker;

    before(async () => {
      const machine = machineOf();
      await machine.stop();
      await machine.bind('uio_pci_generic');
      await machine.start({ workers: [0, 1] }, { queues: 2 });
      guest = await machine.guest('flows');
      await until(async () => (await machine.vswitch.uplink('net')).state === 'up', {
        deadline: 20_000,
        what: 'a link',
      });
    });

    it('the choice is in the log', async () => {
      await machineOf().says(/0000:00:05\.0 is bound to uio_pci_generic: cards get physical/);
      const { queues, workers } = await machineOf().vswitch.uplink('net');
      assert.deepEqual([queues, [...workers].sort()], [2, [0, 1]]);
    });

    it('frames go out unchanged, those of a flow in order', async () => {
      const { cable } = machineOf();
      const from = cable.frames.length;
      const wanted = all(mac, outside);
      await guest.send(...wanted.slice(0, BURST));
      inOrder(await cable.received(BURST, from), wanted.slice(0, BURST));
    });

    it('frames come in unchanged, those of a flow in order, by both workers', async () => {
      const { cable, vswitch } = machineOf();
      const wanted = all(outside, mac);
      const before = (await vswitch.status()).workers;
      for (let at = 0; at < wanted.length; at += BURST) {
        const heard = (await guest.heard()).length;
        cable.send(...wanted.slice(at, at + BURST));
        await guest.received(heard + BURST);
      }
      inOrder(await guest.heard(), wanted);
      const { workers } = await vswitch.status();
      assert.ok(workers.every(({ packets, id }) => packets > (before[id]?.packets ?? NaN)));
    });
  });
}
