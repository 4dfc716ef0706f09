import assert from 'node:assert/strict';
import { frame } from '../../helpers/net/frames.js';
import type { Machine } from '../../helpers/guests/machine/machine.js';
import type { Talker } from '../../helpers/guests/machine/talker.js';
import { until } from '../../helpers/until.js';
import { broadcast } from '../../helpers/guests/virtio-user.js';
import { describeZeroCopyIn } from './zero-copy-in.js';

const mac = '02:00:00:00:00:0a';
const lazyMac = '02:00:00:00:00:0b';
const outside = '02:00:00:00:01:01';
const TAG = 1000;
/** More than the guest's ring has, and many times what the card has. */
const MANY = 300;
const DEADLINE_MS = 20_000;

function tagged(inner: Buffer, vlan: number): Buffer {
  return Buffer.concat([inner.subarray(0, 12), Buffer.from([0x81, 0, vlan >> 8, vlan & 0xff]), inner.subarray(12)]);
}

/** Cases for a machine whose switch runs; they end it and start another, whose card reads guests' memory itself. */
export function describeZeroCopy(machine: () => Machine): void {
  describe('zero copy', () => {
    let guest: Talker;
    const zeroCopied = async (): Promise<number | null> => (await machine().vswitch.uplink('net')).zeroCopied;
    const sends = async (payload: Buffer, vlan = TAG, from = guest): Promise<void> => {
      const { cable } = machine();
      const before = cable.frames.length;
      await from.send(payload);
      assert.deepEqual(await cable.received(1, before), [tagged(payload, vlan)]);
    };

    before(async () => {
      await machine().stop();
      await machine().start({ vlan: 'auto', vm2vm: 'off', zeroCopy: true });
    });

    it('the card sends from guest memory what the guest has written, and gives the buffers back', async () => {
      guest = await machine().guest('a');
      await sends(frame({ to: broadcast, from: mac, length: 60 }));
      assert.equal(await zeroCopied(), 0);
      const lengths = [300, 1000, 1514];
      for (const [seed, length] of lengths.entries()) await sends(frame({ to: outside, from: mac, length, seed }));
      assert.equal(await zeroCopied(), lengths.length);
      await guest.repeat(MANY, frame({ to: outside, from: mac, length: 900 }));
      await until(async () => (await zeroCopied()) === lengths.length + MANY, {
        deadline: DEADLINE_MS,
        what: `${MANY} frames more`,
      });
      await sends(frame({ to: outside, from: mac, length: 700, seed: 9 }));
    });

    it('frames from outside come to the guest', async () => {
      const before = (await guest.heard()).length;
      const frames = [80, 1000, 1500].map((length, seed) => frame({ to: mac, from: outside, length, seed }));
      machine().cable.send(...frames.map((inner) => tagged(inner, TAG)));
      assert.deepEqual((await guest.received(before + frames.length)).slice(before), frames);
    });

    it('a guest that dies while it sends takes nobody along, and the next one has the same', async () => {
      const line = frame({ to: outside, from: mac, length: 1400 });
      for (let turn = 0; turn < 3; turn++) {
        await guest.repeat(100, line);
        await guest.end();
        guest = await machine().talker('a');
      }
      const before = (await zeroCopied()) ?? 0;
      await sends(frame({ to: outside, from: mac, length: 1200, seed: 3 }));
      assert.doesNotMatch(await machine().log(), /device 0: /);
      assert.equal(await zeroCopied(), before + 1);
    });

    it('a guest whose memory is not all there is sent with copies, and the log says so', async () => {
      await machine().vswitch.addPort('b', 1);
      const lazy = await machine().talker('b', { lazy: true });
      await machine().says(/device 1: its frames are sent with copies: the guest's memory is not all there/);
      const before = await zeroCopied();
      await sends(frame({ to: broadcast, from: lazyMac, length: 1300 }), TAG + 1, lazy);
      assert.equal(await zeroCopied(), before);
    });

    describeZeroCopyIn(machine);
  });
}
