import assert from 'node:assert/strict';
import { Guest } from '../helpers/guests/guest.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { ping } from '../helpers/net/network.js';
import { recipeGuest, recipePort } from '../helpers/host/recipe.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';
import { Namespace, Wire } from '../helpers/net/wire.js';

/**
 * Two switches and this kernel, as three machines on two wires:
 *
 *   namespace 10.0.0.100 ──wire── here ─┬─ plain 10.0.0.1, auto 10.0.0.2 (tag 1000 + device number outside)
 *                                       └──wire── there ── tagged 10.0.0.3 (a port without a mode; the guest tags)
 */
const addresses = { host: '10.0.0.100', plain: '10.0.0.1', auto: '10.0.0.2', tagged: '10.0.0.3' } as const;
const names = ['plain', 'auto', 'tagged'] as const;

describe('guests reach the network by uplinks', function () {
  this.timeout(120_000);
  const scope = new Scope();
  const guests = new Map<string, Guest>();
  let noLeaks: () => Promise<void>;
  let host: Namespace;
  let toHost: Wire;
  let here: Switch;
  let there: Switch;

  function guestOf(name: (typeof names)[number]): Guest {
    const guest = guests.get(name);
    assert.ok(guest);
    return guest;
  }

  async function hostPings(address: string, count = 5): Promise<string> {
    const { stdout } = await host.run('busybox', 'ping', '-c', String(count), '-W', '5', address);
    return stdout;
  }

  const linkBecomes = (state: 'up' | 'down' | 'gone'): Promise<void> => here.uplinkBecomes('host', state);

  before(async () => {
    noLeaks = await watchForLeaks();
    host = await Namespace.make(scope);
    toHost = await Wire.make(scope, { namespace: host, address: `${addresses.host}/24` });
    const between = await Wire.make(scope);
    const uplink = (name: string, end: string): string[] => ['--uplink', `${name}=${end}`];
    here = await Switch.start(scope, { args: [...uplink('host', toHost.near), ...uplink('wire', between.near)] });
    there = await Switch.start(scope, { args: uplink('wire', between.far) });
    await here.addPort(recipePort('auto'), 1, 'auto');
    await Promise.all(
      names.map(async (name, index) => {
        const { runDir } = name === 'tagged' ? there : here;
        const guest = await Guest.boot(scope, recipeGuest({ name, mac: `52:54:00:00:00:2${index}`, runDir }));
        guests.set(name, guest);
        await guest.address(`${addresses[name]}/24`);
      }),
    );
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  it("this kernel and a guest ping each other, and the table knows where the kernel's address is", async () => {
    assert.match(await hostPings(addresses.plain), / 0% packet loss/);
    await ping(guestOf('plain'), addresses.host);
    const outside = (await here.macs()).filter(({ port }) => port === 'host');
    assert.ok(outside.length > 0);
    const { counters } = await here.uplinkStats('host');
    assert.ok(counters.txPackets >= 10 && counters.rxPackets >= 10, JSON.stringify(counters));
  });

  it('guests of two switches ping each other across the wire', async () => {
    await ping(guestOf('plain'), addresses.tagged);
    await ping(guestOf('tagged'), addresses.plain);
  });

  it('an "auto" guest is reached outside under its own tag, and here without one', async () => {
    const { vlanTag } = await here.port(recipePort('auto'));
    const tagged = guestOf('tagged');
    await ping(guestOf('auto'), addresses.plain);
    await tagged.sh(
      `ip link add link eth0 name tag type vlan id ${vlanTag} && ip addr del ${addresses.tagged}/24 dev eth0`,
    );
    await tagged.address(`${addresses.tagged}/24`, 'tag');
    await ping(tagged, addresses.auto);
    await ping(guestOf('auto'), addresses.tagged);
    // Untagged, it is nobody's business what the guest has as its address.
    assert.match(await hostPings(addresses.auto, 1), /100% packet loss/);
  });

  it('a link that goes down and comes back is told', async () => {
    await toHost.farEnd('down');
    await linkBecomes('down');
    await toHost.farEnd('up');
    await linkBecomes('up');
    assert.match(await hostPings(addresses.plain), / 0% packet loss/);
  });

  it('an interface that vanishes under traffic takes nobody along, and is taken back', async () => {
    const flood = guestOf('plain').run(`ping -c 300 -i 0.01 -W 1 ${addresses.host}`, { deadline: 60_000 });
    const before = (await here.uplinkStats('host')).counters.txPackets;
    await until(async () => (await here.uplinkStats('host')).counters.txPackets > before + 20, {
      deadline: 20_000,
      what: 'pings on the wire',
    });
    await toHost.unplug();
    await linkBecomes('gone');
    await flood;
    await ping(guestOf('auto'), addresses.plain);
    await toHost.plug();
    await linkBecomes('up');
    assert.match(await hostPings(addresses.plain), / 0% packet loss/);
    await here.says(/uplink host \(256\): its device has gone; guests go on talking to each other/);
    await here.says(/uplink host \(256\): its device is back/);
  });
});
