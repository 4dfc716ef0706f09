import assert from 'node:assert/strict';
import type { Machine } from '../../helpers/guests/machine/machine.js';
import type { Talker } from '../../helpers/guests/machine/talker.js';
import { until } from '../../helpers/until.js';
import { broadcast } from '../../helpers/guests/virtio-user.js';
import { multicast, outside, plain, tagged } from './frames.js';

/** `--vm2vm 2` with three pools, tags left on and two workers: guest c has no pool, device 1 is a port without a guest. */

const macs = { a: '02:00:00:00:00:1a', b: '02:00:00:00:00:1b', c: '02:00:00:00:00:1c' } as const;
type Name = keyof typeof macs;
const names = ['a', 'b', 'c'] as const;
const ids = { a: 0, b: 2, c: 3 } as const;
const nowhere = '02:00:00:00:01:99';
const DEADLINE_MS = 10_000;

function inOrder(frames: readonly Buffer[]): string[] {
  return frames.map((frame) => frame.toString('hex')).sort();
}

/** The pool of a guest, as the uplink tells it: pools begin where device numbers do, behind the default one. */
function pool(name: Name): string {
  return `${ids[name] + 1} ${ids[name]} ${macs[name]}`;
}

class Stage {
  readonly #guests = new Map<Name, Talker>();
  #heard = new Map<Name, number>();
  #out = 0;

  constructor(readonly machine: Machine) {}

  async open(): Promise<void> {
    const { machine } = this;
    const config = { vlan: 'auto', vlanStrip: false, vm2vm: 'hardware', workers: [0, 1] } as const;
    await machine.start(config, { pools: 3 });
    await this.#enter('a');
    // In this order, so that the workers have a reason to share guests anew.
    await this.poolsAre(pool('a'));
    await machine.vswitch.addPort('nobody');
    await this.#enter('b');
    await this.#enter('c');
    await this.poolsAre(pool('a'), pool('b'));
  }

  /** A guest that says which address it has. */
  async #enter(name: Name): Promise<void> {
    const guest = await this.machine.guest(name);
    const before = this.machine.cable.frames.length;
    await guest.send(plain(broadcast, macs[name], 0));
    await this.machine.cable.received(1, before);
    this.#guests.set(name, guest);
  }

  guest(name: Name): Talker {
    const guest = this.#guests.get(name);
    assert.ok(guest);
    return guest;
  }

  /** From here on counts what `got` tells. */
  async mark(): Promise<void> {
    for (const name of names) this.#heard.set(name, (await this.guest(name).heard()).length);
    this.#out = this.machine.cable.frames.length;
  }

  /** What everybody has been given since the mark, in any order, and nothing else. */
  async got(wanted: Partial<Record<Name | 'out', readonly Buffer[]>>, of: readonly Name[] = names): Promise<void> {
    // Behind anything that the card may bring them twice.
    const last = (name: Name): Buffer => tagged(macs[name], outside, 99, 1000 + ids[name]);
    this.machine.cable.send(...of.map(last));
    for (const name of of) {
      const before = this.#heard.get(name) ?? 0;
      const frames = [...(wanted[name] ?? []), last(name)];
      const all = await this.guest(name).received(before + frames.length);
      assert.deepEqual(inOrder(all.slice(before)), inOrder(frames), `guest ${name}`);
    }
    const out = wanted.out ?? [];
    assert.deepEqual(await this.machine.cable.received(out.length, this.#out), out);
  }

  /** The pools that guests have. */
  async pools(): Promise<string | undefined> {
    const { pools } = await this.machine.vswitch.uplink('net');
    return pools?.taken.map(({ pool, id, mac }) => `${pool} ${id} ${mac}`).join();
  }

  async poolsAre(...wanted: readonly string[]): Promise<void> {
    await until(async () => (await this.pools()) === wanted.join(), { deadline: DEADLINE_MS, what: wanted.join() });
  }

  /** Frames that have come from the card. */
  async fromCard(): Promise<number> {
    return (await this.machine.vswitch.uplinkStats('net')).counters.txPackets;
  }
}

export function describeSwitching(machineOf: () => Machine): void {
  describe('the card switches between guests', () => {
    let stage: Stage;

    before(async () => {
      await machineOf().stop();
      stage = new Stage(machineOf());
      await stage.open();
    });

    it("group frames come once to every other guest, and go out once, under their sender's tag", async () => {
      for (const [seed, to] of [broadcast, multicast, broadcast].entries()) {
        const name = names[seed] ?? 'a';
        await stage.mark();
        await stage.guest(name).send(plain(to, macs[name], seed));
        const others = names.filter((other) => other !== name).map((other) => [other, [plain(to, macs[name], seed)]]);
        await stage.got({
          ...(Object.fromEntries(others) as Partial<Record<Name, Buffer[]>>),
          out: [tagged(to, macs[name], seed, 1000 + ids[name])],
        });
      }
    });

    it('more guests than pools are told once, in the log, and in the lists', async () => {
      await stage.poolsAre(pool('a'), pool('b'));
      const { machine } = stage;
      assert.deepEqual((await machine.vswitch.uplink('net')).pools?.software, [ids.c]);
      const pools = (await machine.vswitch.ports()).map(({ name, pools: of }) => `${name} ${of[0]?.pool ?? '-'}`);
      assert.deepEqual(pools, ['a 1', 'nobody -', 'b 3', 'c -']);
      assert.match((await machine.vswitch.cli('ports')).stdout, /^ *3 +c .* net:software +/m);
      const line = /VMDq has pools for 3 guests; port c \(3\), .* is sorted in software/;
      await machine.says(line);
      assert.equal((await machine.log()).split(line).length, 2);
    });

    it('a frame for a guest with a pool goes by the card, any other does not, and all come once, without a tag', async () => {
      const from = await stage.fromCard();
      await stage.mark();
      await stage.guest('a').send(plain(macs.b, macs.a, 10));
      await stage.guest('b').send(plain(macs.c, macs.b, 11), plain(macs.a, macs.b, 12), plain(nowhere, macs.b, 13));
      await stage.guest('c').send(plain(macs.b, macs.c, 14), plain(macs.a, macs.c, 15));
      // To everybody, as long as nobody knows where it is.
      const unknown = plain(nowhere, macs.b, 13);
      await stage.got({
        a: [plain(macs.a, macs.b, 12), unknown, plain(macs.a, macs.c, 15)],
        b: [plain(macs.b, macs.a, 10), plain(macs.b, macs.c, 14)],
        c: [plain(macs.c, macs.b, 11), unknown],
        out: [tagged(nowhere, macs.b, 13, 1000 + ids.b)],
      });
      assert.equal((await stage.fromCard()) - from, 4 + names.length);
    });

    it('what comes from outside keeps its tag, by a pool as in software', async () => {
      await stage.mark();
      const a = tagged(macs.a, outside, 20, 1000 + ids.a);
      const c = [tagged(macs.c, outside, 21, 1000 + ids.c), tagged(broadcast, outside, 22, 1000 + ids.c)];
      stage.machine.cable.send(a, ...c, tagged(macs.b, outside, 23, 1000 + ids.a));
      await stage.got({ a: [a], c });
    });

    it('an address that moves to another guest is served there, and is back with the first when that speaks', async () => {
      await stage.guest('b').send(plain(outside, macs.a, 30));
      await stage.poolsAre(pool('b'));
      await stage.mark();
      const found = tagged(macs.a, outside, 31, 1000 + ids.b);
      stage.machine.cable.send(found, tagged(macs.a, outside, 32, 1000 + ids.a));
      await stage.guest('c').send(plain(macs.a, macs.c, 33));
      await stage.got({ b: [found, plain(macs.a, macs.c, 33)] }, ['b', 'c']);
      await stage.guest('a').send(plain(outside, macs.a, 34));
      await stage.poolsAre(pool('a'), pool('b'));
    });

    it('a pool is polled by the worker that serves its guest, also after these are spread anew', async () => {
      const { vswitch } = stage.machine;
      const workers = async (): Promise<[pool: number | undefined, guest: number | undefined][]> => {
        const uplink = await vswitch.uplink('net');
        const ports = await Promise.all((['a', 'b'] as const).map((name) => vswitch.port(name)));
        return ports.map(({ id, rings }) => [uplink.workers[id + 1], rings[1]?.worker]);
      };
      const before = await workers();
      for (const [by, serving] of before) assert.equal(by, serving);
      const { code } = await vswitch.cli('rebalance');
      assert.equal(code, 0);
      const after = await workers();
      for (const [by, serving] of after) assert.equal(by, serving);
      assert.notDeepEqual(after, before);
      await stage.mark();
      await stage.guest('a').send(plain(macs.b, macs.a, 40));
      await stage.got({ b: [plain(macs.b, macs.a, 40)] });
    });

    it('a second uplink, or a port of another mode, is refused', async () => {
      const { vswitch } = stage.machine;
      await assert.rejects(vswitch.addPort('other', 1, 'none'), /ports have VLAN mode auto, not none/);
      await assert.rejects(vswitch.addUplink({ name: 'second', device: 'net_null0' }), /there is one uplink, net/);
    });
  });
}
