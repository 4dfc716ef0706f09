import assert from 'node:assert/strict';
import { finished, packet, segments, virtioHeader } from '../../helpers/net/ip-frames.js';
import type { PacketOptions } from '../../helpers/net/ip-frames.js';
import type { Machine } from '../../helpers/guests/machine/machine.js';
import type { Talker } from '../../helpers/guests/machine/talker.js';
import { until } from '../../helpers/until.js';

/** What the card finishes for a guest with offloads, and what it tells it; byte for byte at the cable. */

const outside = '02:00:00:00:01:01';
const mac = '02:00:00:00:00:0e';
const SIZE = 1000;

function payload(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
}

const kinds = [false, true].flatMap((v6) =>
  [undefined, 30].map((vlan) => ({
    v6,
    ...(vlan === undefined ? {} : { vlan }),
    title: `IPv${v6 ? 6 : 4}${vlan === undefined ? '' : ' with a tag'}`,
  })),
);

export function describeOffloads(machineOf: () => Machine): void {
  describe('offloads', () => {
    let guest: Talker;

    before(async () => {
      const added = await machineOf().vswitch.cli('ports', 'add', 'offloads', '--offloads', '--vlan', 'none');
      assert.equal(added.code, 0, added.stderr);
      guest = await machineOf().talker('offloads', { offloads: true });
      // A switch that was started a moment ago may not have a link yet.
      await until(async () => (await machineOf().vswitch.uplink('net')).state === 'up', {
        deadline: 20_000,
        what: 'a link',
      });
    });

    /** What comes out of the card of one frame. */
    async function out(options: PacketOptions, count: number, size?: number): Promise<Buffer[]> {
      const { cable } = machineOf();
      const whole = packet(options);
      const from = cable.frames.length;
      await guest.send(Buffer.concat([virtioHeader(whole, options, size), whole.frame]));
      return cable.received(count, from);
    }

    it('the card does what it can do', async () => {
      const { offloads } = await machineOf().vswitch.uplink('net');
      assert.deepEqual(offloads, ['tx-csum', 'tso', 'vlan-insert', 'rx-csum']);
    });

    for (const { title, ...kind } of kinds) {
      it(`${title}: the card puts checksums in`, async () => {
        for (const tcp of [false, true]) {
          const options = { ...kind, tcp, to: outside, from: mac, payload: payload(333) };
          assert.deepEqual(await out(options, 1), [finished(packet(options), tcp)]);
        }
      });

      it(`${title}: the card cuts segments`, async () => {
        const options = { ...kind, tcp: true, to: outside, from: mac, payload: payload(5500) };
        const wanted = segments(packet(options), kind.v6, SIZE);
        assert.deepEqual(await out(options, wanted.length, SIZE), wanted);
      });
    }

    it('a guest is told which frames the card has checked, and only those', async () => {
      const good = (to: string): PacketOptions => ({ v6: false, tcp: true, to, from: outside, payload: payload(100) });
      const right = finished(packet(good(mac)), true);
      const wrong = Buffer.from(right);
      wrong.writeUInt8(wrong.readUInt8(right.length - 1) ^ 1, right.length - 1);
      const heard = (await guest.heard()).length;
      machineOf().cable.send(right, wrong);
      const none = Buffer.alloc(10);
      assert.deepEqual((await guest.received(heard + 2)).slice(heard), [
        Buffer.concat([Buffer.from([2]), none.subarray(1), right]),
        Buffer.concat([none, wrong]),
      ]);
    });
  });
}
