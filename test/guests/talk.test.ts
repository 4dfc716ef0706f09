import assert from 'node:assert/strict';
import { guestBeside, switchBeside, watchBeside } from '../helpers/beside.js';
import { Guest } from '../helpers/guests/guest.js';
import { linkCounters, ping, transfer } from '../helpers/net/network.js';
import { recipePort } from '../helpers/host/recipe.js';
import { Scope } from '../helpers/scope.js';
import type { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** One guest of each kind that Linux has a driver path for; the first talks with all others. */
const kinds = [
  { name: 'plain' },
  { name: 'legacy', device: 'disable-modern=on' },
  { name: 'modern', device: 'disable-legacy=on' },
  { name: 'direct', device: 'indirect_desc=off' },
  { name: 'unmerged', device: 'mrg_rxbuf=off' },
].map((kind, index) => ({ ...kind, mac: `52:54:00:00:00:1${index}`, address: `10.0.0.${index + 1}` }));

type Kind = (typeof kinds)[number];

describe('Linux guests, started through qemu-wrap, talk through the switch', function () {
  this.timeout(180_000);
  const scope = new Scope();
  const guests = new Map<string, Guest>();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;

  async function boot(kind: Kind): Promise<void> {
    const guest = await Guest.boot(scope, guestBeside({ ...kind, runDir: vswitch.runDir }));
    await guest.address(`${kind.address}/24`);
    guests.set(kind.name, guest);
  }

  function guestOf({ name }: { name: string }): Guest {
    const guest = guests.get(name);
    assert.ok(guest, `guest ${name} is up`);
    return guest;
  }

  const plain = kinds[0] as Kind;
  const others = kinds.slice(1);

  before(async () => {
    noLeaks = await watchBeside();
    vswitch = await switchBeside(scope);
    await Promise.all(kinds.map(boot));
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  for (const kind of others) {
    it(`${plain.name} and ${kind.name} ping each other`, async () => {
      await ping(guestOf(plain), kind.address);
      await ping(guestOf(kind), plain.address);
    });
  }

  it('each guest has the port of its name, ready, with what it negotiated', async () => {
    const features: Record<string, readonly string[]> = {};
    for (const { name } of kinds) {
      const port = await vswitch.port(recipePort(name));
      assert.equal(port.state, 'ready');
      assert.equal(port.origin, 'claim');
      features[name] = port.features;
    }
    assert.ok(features['modern']?.includes('version_1'));
    assert.ok(!features['legacy']?.includes('version_1'));
    assert.ok(features['plain']?.includes('indirect_desc'));
    assert.ok(!features['direct']?.includes('indirect_desc'));
    assert.ok(features['plain']?.includes('mrg_rxbuf'));
    assert.ok(!features['unmerged']?.includes('mrg_rxbuf'));
    for (const [name, list] of Object.entries(features)) {
      for (const offload of ['csum', 'guest_tso4', 'guest_tso6', 'guest_ecn', 'host_tso4']) {
        assert.ok(!list.includes(offload), `${name} negotiated ${offload}`);
      }
    }
  });

  it('the table of addresses and the log name each guest with its device number', async () => {
    const macs = await vswitch.macs();
    for (const { name, mac } of kinds) {
      const { id, vlanTag } = await vswitch.port(recipePort(name));
      assert.equal(vlanTag, 1000 + id);
      assert.equal(macs.find((entry) => entry.mac === mac)?.port, recipePort(name));
      await vswitch.says(
        new RegExp(`^DATA: \\(${id}\\) MAC_ADDRESS ${mac} and VLAN_TAG ${1000 + id} registered$`, 'm'),
      );
    }
  });

  it("the switch counts what the guests' own counters say", async () => {
    for (const kind of kinds) {
      // Until, because a guest sends of its own accord too, and then both sides count one after the other.
      await until(
        async () => {
          const { rxPackets, rxBytes, txPackets, txBytes } = await vswitch.counters(recipePort(kind.name));
          const guest = await linkCounters(guestOf(kind));
          const same = [rxPackets, rxBytes, txPackets, txBytes].join();
          return same === [guest.rxPackets, guest.rxBytes, guest.txPackets, guest.txBytes].join();
        },
        { deadline: 10_000, what: `the counters of ${kind.name} to agree` },
      );
    }
  });

  it('carries megabytes both ways at the same time, unchanged', async () => {
    for (const kind of others) {
      await Promise.all([
        transfer(guestOf(kind), guestOf(plain), plain.address, 2),
        transfer(guestOf(plain), guestOf(kind), kind.address, 2),
      ]);
    }
  });

  it('guests that reboot come back at their ports', async () => {
    const rebooting = kinds.filter(({ name }) => name === 'legacy' || name === 'modern');
    const ports = await Promise.all(rebooting.map(({ name }) => vswitch.port(recipePort(name))));
    await Promise.all(
      rebooting.map(async (kind) => {
        await guestOf(kind).reboot();
        await guestOf(kind).address(`${kind.address}/24`);
      }),
    );
    for (const [index, kind] of rebooting.entries()) {
      await ping(guestOf(plain), kind.address);
      assert.equal((await vswitch.port(recipePort(kind.name))).id, ports[index]?.id);
    }
  });

  it('a new guest takes the place of one that was killed', async () => {
    const kind = others[0] as Kind;
    const { id } = await vswitch.port(recipePort(kind.name));
    await guestOf(kind).process.kill();
    await boot(kind);
    assert.equal((await vswitch.port(recipePort(kind.name))).id, id);
    await ping(guestOf(plain), kind.address);
  });

  it('a port that is removed takes only its own guest off the network', async () => {
    const [gone, staying] = [others[0] as Kind, others[1] as Kind];
    const { code, stderr } = await vswitch.cli('ports', 'rm', recipePort(gone.name), '--force');
    assert.equal(code, 0, stderr);
    const { status } = await guestOf(plain).run(`ping -c 2 -i 0.2 -W 1 ${gone.address}`);
    assert.notEqual(status, 0, 'the guest of the removed port answers no more');
    await ping(guestOf(plain), staying.address);
    assert.equal((await guestOf(gone).run('true')).status, 0, 'the guest itself lives on');
  });
});
