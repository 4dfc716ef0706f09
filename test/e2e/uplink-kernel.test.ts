import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { watchForLeaks } from '../helpers/leaks.js';
import { linkPrefix } from '../helpers/paths.js';
import { PingGuest } from '../helpers/guests/ping-guest.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { Namespace, Wire } from '../helpers/net/wire.js';

/**
 * A switch in a network namespace, whose kernel is at the other end of `net_tap`; a second namespace is at the other
 * end of a wire that `net_af_xdp` has the near end of.
 *
 *   here 10.0.0.2 ──tap── switch ──af_xdp──wire── beyond 10.0.0.3
 *                           └── guest 10.0.0.1, which pings 10.0.0.2 all the time
 */
const guestAddress = '10.0.0.1';
const here = { address: '10.0.0.2/24', number: 2 };
const beyond = '10.0.0.3/24';
const tap = `${linkPrefix}tap`;
/** What the guest answers is pings of this size. */
const pingBytes = '32';
const DEADLINE_MS = 30_000;

/** Why there is nothing to try here, or undefined. */
function whyNot(): string | undefined {
  if (!existsSync('/dev/net/tun')) return 'the kernel has no /dev/net/tun';
  return readFileSync('/proc/net/protocols', 'utf8').includes('XDP ') ? undefined : 'the kernel has no AF_XDP sockets';
}

describe("uplinks on the kernel's interfaces: net_tap and net_af_xdp", function () {
  this.timeout(90_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let host: Namespace;
  let far: Namespace;
  let wire: Wire;
  let vswitch: Switch;
  let guest: PingGuest;

  async function answers(from: Namespace): Promise<void> {
    const { stdout } = await from.run('busybox', 'ping', '-c', '3', '-s', pingBytes, '-W', '5', guestAddress);
    assert.match(stdout, / 0% packet loss/);
  }

  before(async function () {
    const reason = whyNot();
    if (reason !== undefined) {
      process.stderr.write(`skipped: ${reason}\n`);
      this.skip();
    }
    noLeaks = await watchForLeaks();
    [host, far] = [await Namespace.make(scope), await Namespace.make(scope)];
    wire = await Wire.make(scope, { namespace: far, address: beyond });
    await host.take(wire.near);
    const args = ['--uplink', `tap=net_tap0,iface=${tap}`, '--uplink', `xdp=net_af_xdp0,iface=${wire.near}`];
    vswitch = await Switch.start(scope, { namespace: host, args });
    await host.address(tap, here.address);
    guest = await PingGuest.start(scope, { name: 'guest', me: 1, ask: here.number, runDir: vswitch.runDir });
    await guest.up(DEADLINE_MS);
  });

  after(async () => {
    await scope.close();
    await noLeaks?.();
  });

  it('the guest pings the kernel behind the tap, and is pinged from there', async () => {
    await guest.replies(3, DEADLINE_MS);
    await answers(host);
  });

  it('the guest is pinged from beyond the wire, and each address is known on its uplink', async () => {
    await answers(far);
    const places = new Set((await vswitch.macs()).map(({ port }) => port));
    assert.deepEqual([places.has('tap'), places.has('xdp')], [true, true]);
    const { txPackets, rxPackets } = (await vswitch.uplinkStats('xdp')).counters;
    assert.ok(txPackets >= 3 && rxPackets >= 3, `${txPackets} from the wire, ${rxPackets} to it`);
  });

  it('a wire that vanishes is told, and the guest goes on behind the tap', async () => {
    await host.run('ip', 'link', 'del', wire.near);
    await vswitch.uplinkBecomes('xdp', 'gone');
    await guest.replies(3, DEADLINE_MS);
    assert.equal((await vswitch.uplink('tap')).state, 'up');
  });
});
