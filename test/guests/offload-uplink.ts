import assert from 'node:assert/strict';
import type { GuestShell } from '../helpers/guests/guest-shell.js';
import { ping } from '../helpers/net/network.js';
import type { Scope } from '../helpers/scope.js';
import type { Switch } from '../helpers/switch.js';
import { TcpPeer } from '../helpers/net/tcp-peer.js';
import { until } from '../helpers/until.js';
import { Namespace, Wire } from '../helpers/net/wire.js';

/** Guests with offloads and without, and this kernel behind net_af_packet, which knows no offloads. */

export interface Rig {
  readonly scope: Scope;
  readonly vswitch: () => Switch;
  readonly guest: (name: 'on1' | 'off1') => GuestShell;
}

const HOST = '10.9.0.100';
const MEGABYTES = 2 * 2 ** 20;
const NAMES = ['on1', 'off1'] as const;
/** Ethernet, two tags: as the switch has it. */
const AROUND_MTU = 22;
const JUMBO = 9000;
/** ICMP's payload in a packet of that size. */
const JUMBO_PING = JUMBO - 28;

export function describeUplink({ scope, vswitch, guest }: Rig): void {
  describe('and the network, by net_af_packet', () => {
    let host: Namespace;
    let wire: Wire;
    let peer: TcpPeer;

    before(async () => {
      host = await Namespace.make(scope);
      wire = await Wire.make(scope, { namespace: host, address: `${HOST}/24` });
      await wire.configureFar({ mtu: JUMBO });
      peer = await TcpPeer.start(scope, host, HOST);
    });

    async function addUplink(...more: string[]): Promise<string> {
      const added = await vswitch().cli('uplinks', 'add', 'lan', `net_af_packet0,iface=${wire.near}`, ...more);
      assert.equal(added.code, 0, added.stderr);
      return added.stdout;
    }

    async function csumErrors(): Promise<number> {
      const { stdout } = await host.run('cat', '/proc/net/snmp');
      const [names = [], values = []] = [...stdout.matchAll(/^Tcp: (.*)$/gm)].map(([, line = '']) => line.split(' '));
      return Number(values[names.indexOf('InCsumErrors')]);
    }

    /** Bytes per frame, out to the network and in from it. */
    async function sizes(work: () => Promise<void>): Promise<{ out: number; in: number }> {
      const { counters: a } = await vswitch().uplinkStats('lan');
      await work();
      const { counters: b } = await vswitch().uplinkStats('lan');
      return {
        out: (b.rxBytes - a.rxBytes) / (b.rxPackets - a.rxPackets),
        in: (b.txBytes - a.txBytes) / (b.txPackets - a.txPackets),
      };
    }

    async function moves(name: (typeof NAMES)[number]): Promise<void> {
      for (const { sent, got } of [await peer.take(guest(name), MEGABYTES), await peer.give(guest(name), MEGABYTES)]) {
        assert.equal(got, sent, `data of ${name}`);
      }
      assert.equal(await csumErrors(), 0);
    }

    it('the user is told what the other end of a veth pair has to do', async () => {
      assert.match(await addUplink('--mtu', String(JUMBO), '--queues', '2'), /is one end of a veth pair: .* tx off/);
      await wire.configureFar({ tx: 'off' });
      const { mtu, queues, offloads } = await vswitch().uplink('lan');
      assert.deepEqual([mtu, queues, offloads], [JUMBO, 2, []]);
    });

    for (const name of NAMES) {
      it(`${name} and this kernel: megabytes both ways, unchanged, in frames of the guest's MTU`, async () => {
        const bytes = await sizes(() => moves(name));
        assert.ok(bytes.out <= 1500 + AROUND_MTU && bytes.in <= 1500 + AROUND_MTU, JSON.stringify(bytes));
      });

      it(`${name} and this kernel: the same with an MTU of ${JUMBO}`, async () => {
        await guest(name).sh(`ip link set eth0 mtu ${JUMBO}`);
        const bytes = await sizes(async () => {
          assert.match(await guest(name).sh(`ping -c 3 -s ${JUMBO_PING} -W 5 ${HOST}`), / 0% packet loss/);
          await moves(name);
        });
        // On average, short acknowledgements among them.
        assert.ok(bytes.out > 1500 + AROUND_MTU && bytes.in > 1500 + AROUND_MTU, JSON.stringify(bytes));
        assert.ok(bytes.out <= JUMBO + AROUND_MTU && bytes.in <= JUMBO + AROUND_MTU, JSON.stringify(bytes));
      });
    }

    it('frames that are too long for the uplink are dropped either way, and counted as that', async () => {
      assert.equal((await vswitch().cli('uplinks', 'rm', 'lan')).code, 0);
      await addUplink();
      await ping(guest('off1'), HOST, 1);
      const address = (await guest('off1').sh("ip -4 -o addr show dev eth0 | sed 's/.*inet //; s,/.*,,'")).trim();
      const [fromGuest] = await Promise.all([
        guest('off1').run(`ping -c 2 -i 0.2 -s ${JUMBO_PING} -W 1 ${HOST}`),
        host.run('busybox', 'ping', '-c', '2', '-i', '0.2', '-s', String(JUMBO_PING), '-W', '1', address),
      ]);
      assert.equal(fromGuest.status, 1);
      await until(
        async () => {
          const { drops } = (await vswitch().uplinkStats('lan')).counters;
          return drops['rx_too_long'] === 2 && drops['tx_too_long'] === 2;
        },
        { deadline: 10_000, what: 'two frames too long each way' },
      );
    });
  });
}
