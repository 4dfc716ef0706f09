import assert from 'node:assert/strict';
import { switchBeside, watchBeside } from '../helpers/beside.js';
import { Guest } from '../helpers/guests/guest.js';
import { transfer } from '../helpers/net/network.js';
import { Scope } from '../helpers/scope.js';
import type { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';
import { describeUplink } from './offload-uplink.js';

const names = ['on1', 'on2', 'off1', 'off2'] as const;
type Name = (typeof names)[number];

const megabytes = 4;
/** An Ethernet frame of an MTU of 1500, with a VLAN tag. */
const largestFrame = 1518;
/** The most segments of a full Ethernet frame (of 1448 bytes, with timestamps) that are in one frame of 64 KiB. */
const mostSegments = 46;
/** Frames of others that come to a guest meanwhile: of ARP, of neighbour discovery, of group membership. */
const fewOthers = 40;
/**
 * Of the segments sent, beyond those that were lost where the receiver's ring was full: TCP sends again what it thinks
 * lost when a machine is slow. Of a frame whose later segments are all wrong, it would have to send nearly all again.
 */
const someAgain = 0.25;

const number = (name: Name): number => names.indexOf(name) + 1;
const ipv4 = (name: Name, net = 0): string => `10.9.${net}.${number(name)}`;
const ipv6 = (name: Name): string => `fd00::${number(name)}`;

/** One protocol's counters as Linux lists them: a line of names, a line of numbers. */
async function snmp(guest: Guest, protocol: 'Tcp' | 'TcpExt' | 'Udp'): Promise<Record<string, number>> {
  const lines = (await guest.sh(`grep -h '^${protocol}:' /proc/net/snmp /proc/net/netstat`)).split('\n');
  const [keys = [], values = []] = lines.map((line) => line.split(' ').slice(1));
  return Object.fromEntries(keys.map((key, index) => [key, Number(values[index])]));
}

describe('offloads between Linux guests, on and off', function () {
  this.timeout(300_000);
  const scope = new Scope();
  const guests = new Map<Name, Guest>();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;

  const guest = (name: Name): Guest => {
    const found = guests.get(name);
    assert.ok(found);
    return found;
  };

  async function boot(name: Name): Promise<Guest> {
    const offloads = name.startsWith('on') ? ['--offloads'] : [];
    const added = await vswitch.cli('ports', 'add', name, ...offloads);
    assert.equal(added.code, 0, added.stderr);
    const { socket } = await vswitch.port(name);
    const started = await Guest.boot(scope, {
      name,
      command: 'qemu-system-x86_64',
      args: [
        ...['-m', '192', '-object', 'memory-backend-memfd,id=mem,size=192M,share=on', '-numa', 'node,memdev=mem'],
        ...['-chardev', `socket,id=port,path=${socket}`, '-netdev', 'vhost-user,id=net,chardev=port'],
        ...['-device', `virtio-net-pci,netdev=net,mac=52:54:00:00:09:0${number(name)}`],
      ],
    });
    await started.sh('sysctl -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0');
    await started.address(`${ipv4(name)}/24`);
    await started.sh(`ip -6 addr add ${ipv6(name)}/64 dev eth0`);
    await started.sh('ip link add link eth0 name eth0.7 type vlan id 7');
    await started.sh(`ip addr add ${ipv4(name, 7)}/24 dev eth0.7 && ip link set eth0.7 up`);
    return started;
  }

  before(async () => {
    noLeaks = await watchBeside();
    vswitch = await switchBeside(scope);
    await Promise.all(names.map(async (name) => guests.set(name, await boot(name))));
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  it('are offered where the port says so, and nowhere else', async () => {
    const wanted = [
      'csum',
      'guest_csum',
      'guest_tso4',
      'guest_tso6',
      'guest_ecn',
      'host_tso4',
      'host_tso6',
      'host_ecn',
    ];
    for (const name of names) {
      const { features, offloads } = await vswitch.port(name);
      const on = name.startsWith('on');
      assert.equal(offloads, on);
      assert.deepEqual(
        wanted.filter((feature) => features.includes(feature)),
        on ? wanted : [],
        `port ${name}: ${features.join()}`,
      );
    }
  });

  /** Moves data and gives the bytes per frame that the sender gave and the receiver got. */
  async function bulk(from: Name, to: Name, address: string): Promise<{ sent: number; got: number }> {
    const count = async () => {
      const [tx, rx] = [await vswitch.counters(from), await vswitch.counters(to)];
      const { RetransSegs: again = NaN, OutSegs: segments = NaN } = await snmp(guest(from), 'Tcp');
      // What the receiver says it had already: on a busy machine an answer comes late, and nothing was lost.
      const { TCPDSACKRecvSegs: twice = NaN } = await snmp(guest(from), 'TcpExt');
      const { InCsumErrors: errors } = await snmp(guest(to), 'Tcp');
      return { tx, rx, segments, again: again - twice, errors };
    };
    const a = await count();
    await transfer(guest(from), guest(to), address, megabytes);
    const b = await count();
    assert.equal(b.errors, 0, `checksum errors in ${to}`);
    assert.equal(b.tx.drops['tx_bad_offload'], 0);
    const segments = b.segments - a.segments;
    const again = b.again - a.again;
    const lost = (b.rx.drops['rx_ring_full'] ?? NaN) - (a.rx.drops['rx_ring_full'] ?? NaN);
    const sent = b.tx.txPackets - a.tx.txPackets;
    const got = b.rx.rxPackets - a.rx.rxPackets;
    const all = `${segments} segments in ${sent} frames, ${got} received, ${lost} lost at a full ring, ${again} sent again`;
    // A frame with no room is counted once, however many segments of it have come before.
    const cut = from.startsWith('on') && to.startsWith('off');
    const missing = (cut ? segments : sent) - got;
    assert.ok(missing >= -fewOthers && missing <= lost * (cut ? mostSegments : 1) + fewOthers, all);
    assert.ok(again <= segments * someAgain + lost * 2 * mostSegments, all);
    return { sent: (b.tx.txBytes - a.tx.txBytes) / sent, got: (b.rx.rxBytes - a.rx.rxBytes) / got };
  }

  const ways = [
    { title: 'IPv4', address: (name: Name) => ipv4(name) },
    { title: 'IPv6', address: ipv6 },
    { title: 'IPv4 in a VLAN', address: (name: Name) => ipv4(name, 7) },
  ];

  for (const { title, address } of ways) {
    it(`${title}: on to on, frames of many segments pass as they are`, async () => {
      const { sent, got } = await bulk('on1', 'on2', address('on2'));
      assert.ok(sent > largestFrame, `${sent} bytes per frame sent`);
      assert.ok(got > largestFrame, `${got} bytes per frame received`);
    });

    it(`${title}: on to off, they are cut`, async () => {
      const { sent, got } = await bulk('on1', 'off1', address('off1'));
      assert.ok(sent > largestFrame, `${sent} bytes per frame sent`);
      assert.ok(got > largestFrame / 2 && got <= largestFrame, `${got} bytes per frame received`);
    });

    for (const [from, to] of [
      ['off1', 'on1'],
      ['off1', 'off2'],
    ] as const) {
      it(`${title}: ${from} to ${to}, nothing is left to others`, async () => {
        const { sent, got } = await bulk(from, to, address(to));
        assert.ok(sent <= largestFrame && got <= largestFrame, `${sent} sent, ${got} received`);
      });
    }
  }

  it('frames are longest where the sender has much to say', async () => {
    const [from, to] = ['on1', 'on2'] as const;
    // From a file, which the kernel sends in large pieces; nc writes a kilobyte at a time.
    await guest(from).sh(`mkdir -p /tmp/www && head -c ${megabytes * 2 ** 20} /dev/urandom >/tmp/www/data`);
    await guest(from).sh('httpd -p 8080 -h /tmp/www');
    // By itself Linux puts less into a frame the longer an answer takes: a slow machine would have short ones.
    await guest(from).sh('sysctl -w net.ipv4.tcp_min_tso_segs=40');
    const before = await vswitch.counters(to);
    const got = await guest(to).sh(`wget -q -O - http://${ipv4(from)}:8080/data | md5sum`, { deadline: 60_000 });
    const { rxBytes, rxPackets } = await vswitch.counters(to);
    assert.equal(got, await guest(from).sh('md5sum </tmp/www/data; rm /tmp/www/data'));
    const size = (rxBytes - before.rxBytes) / (rxPackets - before.rxPackets);
    assert.ok(size > 8 * largestFrame && size <= 65_557, `${size} bytes per frame`);
    assert.equal((await snmp(guest(to), 'Tcp'))['InCsumErrors'], 0);
  });

  for (const [from, to] of [
    ['on1', 'on2'],
    ['on1', 'off1'],
    ['off1', 'on1'],
    ['off1', 'off2'],
  ] as const) {
    it(`UDP from ${from} to ${to} has a checksum that is right`, async () => {
      // Nobody listens, which Linux finds out only after it has looked at the checksum.
      const { NoPorts: before = NaN } = await snmp(guest(to), 'Udp');
      // Not to its end: it waits for an answer.
      await guest(from).sh(`nslookup name ${ipv4(to)} >/dev/null 2>&1 &`);
      const { InCsumErrors } = await until(
        async () => {
          const counters = await snmp(guest(to), 'Udp');
          return ((counters['NoPorts'] ?? NaN) > before || (counters['InCsumErrors'] ?? NaN) > 0) && counters;
        },
        { deadline: 10_000, what: `a datagram at ${to}` },
      );
      assert.equal(InCsumErrors, 0);
    });
  }

  describeUplink({ scope, vswitch: () => vswitch, guest });
});
