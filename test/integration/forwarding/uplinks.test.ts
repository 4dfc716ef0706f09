import assert from 'node:assert/strict';
import { frame, readPcap, writePcap } from '../../helpers/net/frames.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { tempDir } from '../../helpers/paths.js';
import { Switch, vhostHost } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { CountingGuest, RecordingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const mac = '02:00:00:00:00:0a';
const outside = '02:00:00:00:01:01';
const DEADLINE_MS = 20_000;
/** Frames that the network sends: one for each tag. Guests have device number 0. */
const tags = [undefined, 10, 20, 1000, 1001] as const;

function tagged(from: string, vlan: number | undefined, seed: number): Buffer {
  return frame({
    to: broadcast,
    from,
    length: vlan === undefined ? 100 : 104,
    seed,
    ...(vlan === undefined ? {} : { vlan }),
  });
}

interface Case {
  readonly mode: string;
  readonly args?: readonly string[];
  /** The tags, under which the network sees the guest's frames; in the order of `tags`, null: not at all. */
  readonly out: readonly (number | undefined | null)[];
  /** The tags that the guest sees of the network's frames. */
  readonly in: readonly (number | undefined | null)[];
}

const cases: readonly Case[] = [
  { mode: 'none', out: [undefined, 10, 20, 1000, 1001], in: [undefined, 10, 20, 1000, 1001] },
  { mode: 'auto', out: [1000, null, null, 1000, null], in: [null, null, null, undefined, null] },
  {
    mode: 'auto',
    args: ['--vlan-strip', '0'],
    out: [1000, null, null, 1000, null],
    in: [null, null, null, 1000, null],
  },
  { mode: 'access:10', out: [10, null, null, null, null], in: [null, undefined, null, null, null] },
  { mode: 'trunk:0,20', out: [undefined, null, 20, null, null], in: [undefined, null, 20, null, null] },
  { mode: 'trunk:all', out: [undefined, 10, 20, 1000, 1001], in: [undefined, 10, 20, 1000, 1001] },
];

/** EtherTypes of tags. */
const types = [0x8100, 0x88a8, 0x9100, 0x9200] as const;

/** Modes, the tag of their own frames outside, and whether VLAN 20 behind another one is theirs. */
const stacks = [
  { mode: 'auto', own: 1000, passes: false },
  { mode: 'access:10', own: 10, passes: false },
  { mode: 'trunk:0,10', own: undefined, passes: false },
  { mode: 'trunk:all', own: undefined, passes: true },
] as const;

/** A frame with two tags: the first with this EtherType, the second an 802.1Q one. */
function stacked(from: string, first: number, type: number, second: number, seed: number): Buffer {
  const inner = frame({ to: broadcast, from, length: 104, seed, vlan: second });
  const tag = Buffer.alloc(4);
  tag.writeUInt16BE(type, 0);
  tag.writeUInt16BE(first, 2);
  return Buffer.concat([inner.subarray(0, 12), tag, inner.subarray(12)]);
}

function expected(from: string, seen: Case['out']): Buffer[] {
  return seen.flatMap((vlan, seed) => (vlan === null ? [] : [tagged(from, vlan, seed)]));
}

async function recorded(file: string, count: number): Promise<Buffer[]> {
  return until(
    async () => {
      const frames = await readPcap(file);
      return frames.length >= count && frames;
    },
    { deadline: DEADLINE_MS, what: `${count} frames at the uplink` },
  );
}

describe('uplinks and VLANs, with files for the network', function () {
  this.timeout(60_000);
  const scope = freshScope();

  for (const { mode, args = [], ...seen } of cases) {
    it(`${[mode, ...args].join(' ')}: what goes out and what comes in, byte for byte`, async () => {
      const dir = await tempDir(scope());
      const vswitch = await Switch.start(scope(), { args: ['--vlan', mode, ...args] });
      const { socket, vlan } = await vswitch.addPort('guest');
      assert.equal(vlan, mode);
      const frames = tags.map((tag, seed) => tagged(mac, tag, seed));
      const guest = await RecordingGuest.start(scope(), { socket, mac }, frames);
      await vswitch.portReady('guest');
      await writePcap(
        `${dir}/in`,
        tags.map((tag, seed) => tagged(outside, tag, seed)),
      );
      await vswitch.addUplink({ name: 'net', device: `net_pcap0,rx_pcap=${dir}/in,tx_pcap=${dir}/out` });
      await guest.go();
      const out = expected(mac, seen.out);
      const into = expected(outside, seen.in);
      assert.deepEqual(await recorded(`${dir}/out`, out.length), out);
      assert.deepEqual(await guest.received(into.length), into);
      const refused = seen.out.filter((tag) => tag === null).length;
      const { drops, txPackets } = await vswitch.counters('guest');
      assert.deepEqual([txPackets, drops.tx_bad_vlan], [tags.length, refused]);
    });
  }

  for (const { mode, own, passes } of stacks) {
    it(`${mode}: a tag in front of another one brings nothing into a VLAN that is not the guest's`, async () => {
      const dir = await tempDir(scope());
      const vswitch = await Switch.start(scope(), { args: ['--vlan', mode] });
      const { socket } = await vswitch.addPort('guest');
      const odd = [0, own ?? 10].flatMap((first) => types.map((type) => [first, type] as const));
      const sent = odd.map(([first, type], seed) => stacked(mac, first, type, 20, seed));
      const guest = await RecordingGuest.start(scope(), { socket, mac }, [...sent, tagged(mac, undefined, 99)]);
      await vswitch.portReady('guest');
      const came = odd.map(([first, type], seed) => stacked(outside, first, type, 20, seed));
      await writePcap(`${dir}/in`, [...came, tagged(outside, own, 99)]);
      await vswitch.addUplink({ name: 'net', device: `net_pcap0,rx_pcap=${dir}/in,tx_pcap=${dir}/out` });
      await guest.go();
      const through = (frames: readonly Buffer[]): Buffer[] =>
        passes ? frames.filter((_, seed) => odd[seed]?.[0] !== 0) : [];
      const out = [...through(sent), tagged(mac, own, 99)];
      const into = [...through(came), tagged(outside, undefined, 99)];
      assert.deepEqual(await recorded(`${dir}/out`, out.length), out);
      assert.deepEqual(await guest.received(into.length), into);
      const { drops } = await vswitch.counters('guest');
      assert.equal(drops.tx_bad_vlan, sent.length - through(sent).length);
    });
  }

  it('vm2vm 0: guests talk to the network only, and what comes back from there is delivered', async () => {
    const dir = await tempDir(scope());
    const vswitch = await Switch.start(scope(), { args: ['--vm2vm', '0'] });
    const [a, b] = [await vswitch.addPort('a'), await vswitch.addPort('b')];
    const other = '02:00:00:00:00:0b';
    const guests = await CountingGuest.start(scope(), [
      { socket: a.socket, mac },
      { socket: b.socket, mac: other },
    ]);
    await vswitch.portReady('b');
    await vswitch.addUplink({ name: 'net', device: `net_pcap0,tx_pcap=${dir}/out` });
    const sent = await guests.send(other, { nic: 0 });
    await recorded(`${dir}/out`, sent);
    assert.equal((await vswitch.counters('b')).rxPackets, 0);
    // b is learned by its own frames; then a file plays the network that sends them on to it.
    await guests.send(mac, { nic: 1 });
    await until(async () => (await vswitch.macs()).length === 2, { deadline: DEADLINE_MS, what: 'both addresses' });
    await writePcap(`${dir}/in`, [frame({ to: other, from: mac, length: 64 })]);
    await vswitch.addUplink({ name: 'back', device: `net_pcap1,rx_pcap=${dir}/in,tx_pcap=${dir}/out2` });
    await guests.received(1, 1);
  });
});

describe('uplinks come and go', function () {
  this.timeout(60_000);
  const scope = freshScope();

  it('mistakes are told in one line, with what fixes them', async () => {
    const vswitch = await Switch.start(scope(), { args: ['--uplink', 'net=net_null0,no-rx=1'] });
    const refusal = async (...args: string[]): Promise<string[]> => {
      const { code, stderr } = await vswitch.cli('uplinks', ...args);
      assert.equal(code, 1);
      return stderr.trimEnd().split('\n');
    };
    assert.deepEqual(await refusal('add', 'net', 'net_null1'), ['vhost-host: uplink net exists already']);
    await vswitch.addPort('guest');
    assert.deepEqual(await refusal('add', 'guest', 'net_null1'), ['vhost-host: uplink guest: a port has this name']);
    const port = await vswitch.cli('ports', 'add', 'net');
    assert.deepEqual([port.code, port.stderr], [1, 'vhost-host: port net: an uplink has this name\n']);
    assert.deepEqual(await refusal('add', 'b', 'net_null0'), [
      'vhost-host: uplink b: device net_null0 is an uplink already',
    ]);
    assert.deepEqual(await refusal('add', 'b', 'net_nothing0'), [
      "vhost-host: uplink b: no driver plug-in of DPDK's that is installed knows device net_nothing0",
      '  apt-get install librte-net-nothing23',
    ]);
    assert.deepEqual(await refusal('add', 'b', 'net_af_packet0,iface=nowhere0'), [
      'vhost-host: uplink b: there is no network interface nowhere0',
      '  ip link',
    ]);
    assert.deepEqual(await refusal('add', 'b', 'ffff:00:00.0'), [
      'vhost-host: uplink b: there is no PCI device ffff:00:00.0',
      '  ls /sys/bus/pci/devices',
    ]);
    const [line = ''] = await refusal('add', 'b', 'net_pcap0,rx_pcap=/nowhere/in,tx_pcap=/nowhere/out');
    assert.match(line, /^vhost-host: uplink b: device net_pcap0 cannot be attached: .*\/nowhere\/in: No such file/);
    const [buffers = ''] = await refusal('add', 'b', 'net_null1', '--buffers', '10');
    assert.match(buffers, /^vhost-host: uplink b: 10 packet buffers asked for, it needs \d+$/);
    assert.deepEqual(await refusal('rm', 'b'), [
      'vhost-host: there is no uplink b',
      `  vhost-host uplinks --run-dir ${vswitch.runDir}`,
    ]);
    const { stdout } = await vswitch.cli('uplinks', '--json');
    assert.deepEqual(
      (JSON.parse(stdout) as { uplinks: { name: string; state: string }[] }).uplinks.map(({ name, state }) => [
        name,
        state,
      ]),
      [['net', 'up']],
    );
  });

  it('a card that cannot switch between guests is no way to start with --vm2vm 2', async () => {
    const args = ['--vm2vm', '2', '--vlan', 'auto', '--uplink', 'net=net_null0'];
    const dir = await tempDir(scope());
    const refused = await vhostHost(scope(), ['start', '--run-dir', dir, ...args]);
    assert.deepEqual(
      [refused.code, ...refused.stderr.trimEnd().split('\n')],
      [
        1,
        'vhost-host: uplink net: its device cannot switch between guests (--vm2vm 2): of net_null no VMDq is known to this switch',
        `  vhost-host start --run-dir ${dir} --vm2vm 1`,
      ],
    );
  });

  it('under full load, again and again, and guests go on', async () => {
    const vswitch = await Switch.start(scope(), { args: ['--workers', '0,1'] });
    const [a, b] = [await vswitch.addPort('a'), await vswitch.addPort('b')];
    const other = '02:00:00:00:00:0b';
    const guests = await CountingGuest.start(scope(), [
      { socket: a.socket, mac },
      { socket: b.socket, mac: other },
    ]);
    await vswitch.portReady('b');
    for (let turn = 0; turn < 5; turn++) {
      // It sends as fast as anybody can take: to nobody in particular, so to everybody.
      await vswitch.addUplink({ name: 'flood', device: 'net_null0', unknownUnicast: 'flood', queues: 1 });
      await until(async () => (await vswitch.uplinkStats('flood')).counters.txPackets > 10_000, {
        deadline: DEADLINE_MS,
        what: 'frames from the uplink',
      });
      await guests.send(other, { nic: 0 });
      await vswitch.removeUplink('flood');
    }
    const before = (await guests.stats(1)).rxPackets;
    const sent = await guests.send(other, { nic: 0 });
    await guests.received(before + sent, 1);
    assert.equal(vswitch.process?.end, undefined);
  });

  it('what an uplink sends back does not move the address of the guest that it came from', async () => {
    const vswitch = await Switch.start(scope(), { args: ['--uplink', 'loop=net_ring0'] });
    const { socket } = await vswitch.addPort('a');
    const guest = await CountingGuest.start(scope(), [{ socket, mac }]);
    await vswitch.portReady('a');
    const sent = await guest.send(broadcast);
    await guest.received(sent);
    assert.deepEqual(
      (await vswitch.macs()).map(({ mac: address, port }) => [address, port]),
      [[mac, 'a']],
    );
    const { counters } = await vswitch.uplinkStats('loop');
    assert.deepEqual([counters.rxPackets, counters.txPackets], [sent, sent]);
  });
});
