import assert from 'node:assert/strict';
import { frame } from '../../helpers/net/frames.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { tempDir } from '../../helpers/paths.js';
import { Switch, vhostHost } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { CountingGuest, RecordingGuest, broadcast } from '../../helpers/guests/virtio-user.js';

const a = '02:00:00:00:00:0a';
const b = '02:00:00:00:00:0b';
const DEADLINE_MS = 20_000;
const zeroCopy = ['--zero-copy', '1', '--vm2vm', '0'];
/** Shorter ones are copied with their headers. */
const lengths = [60, 256, 257, 600, 1000, 1500, 1514];

describe('zero copy towards the network', function () {
  this.timeout(60_000);
  const scope = freshScope();

  it('frames leave from the memory of one guest and come to the other byte for byte', async () => {
    // A device that sends everything back plays the network.
    const args = [...zeroCopy, '--rx-desc-num', '128', '--tx-desc-num', '256', '--uplink', 'net=net_ring0'];
    const vswitch = await Switch.start(scope(), { args });
    const sockets = { a: (await vswitch.addPort('a')).socket, b: (await vswitch.addPort('b')).socket };
    const frames = lengths.map((length, seed) => frame({ to: b, from: a, length, seed }));
    const listener = await RecordingGuest.start(scope(), { socket: sockets.b, mac: b }, [
      frame({ to: broadcast, from: b, length: 60 }),
    ]);
    await vswitch.portReady('b');
    await listener.go();
    await until(async () => (await vswitch.macs()).length === 1, { deadline: DEADLINE_MS, what: 'the listener' });
    const before = (await listener.received(1)).length;
    const talker = await RecordingGuest.start(scope(), { socket: sockets.a, mac: a }, frames);
    await vswitch.portReady('a');
    await talker.go();
    assert.deepEqual((await listener.received(before + frames.length)).slice(before), frames);
    const long = lengths.filter((length) => length > 256).length;
    assert.equal((await vswitch.uplink('net')).zeroCopied, long);
  });

  it('a guest gets its buffers back, and goes on with them; a removed uplink keeps none', async () => {
    const vswitch = await Switch.start(scope(), { args: [...zeroCopy, '--uplink', 'net=net_null0,no-rx=1'] });
    const { socket } = await vswitch.addPort('a');
    const guest = await CountingGuest.start(scope(), [{ socket, mac: a }]);
    await vswitch.portReady('a');
    // Many times what its ring has.
    const sent = await guest.send(broadcast, { bursts: 100, length: 1000 });
    const uplink = (): ReturnType<Switch['uplink']> => vswitch.uplink('net');
    await until(async () => (await vswitch.uplinkStats('net')).counters.rxPackets === sent, {
      deadline: DEADLINE_MS,
      what: `${sent} frames at the uplink`,
    });
    assert.equal((await uplink()).zeroCopied, sent);
    await vswitch.removeUplink('net');
    await vswitch.addUplink({ name: 'net', device: 'net_null0,no-rx=1' });
    const again = await guest.send(broadcast, { length: 1000 });
    await until(async () => (await uplink()).zeroCopied === again, { deadline: DEADLINE_MS, what: 'the second burst' });
    const { stdout } = await vswitch.cli('uplinks');
    assert.match(stdout, new RegExp(`ZC TX.*\\n.* ${again} `));
  });

  const refused: [string, number, (dir: string) => string[], string[]][] = [
    [
      'a device that copies every frame',
      1,
      (dir) => [...zeroCopy, '--uplink', `net=net_pcap0,tx_pcap=${dir}/out`],
      [
        'vhost-host: uplink net: zero copy needs a card that reads memory itself; net_pcap makes a copy of every frame',
        '  vhost-host start --run-dir DIR --zero-copy 0',
      ],
    ],
    [
      'frames between guests',
      2,
      () => ['--', '--zero-copy', '1', '--vm2vm', '1'],
      [
        'vhost-host: --zero-copy 1 does not go with --vm2vm 1: between guests the switch copies',
        '  vhost-host start --run-dir DIR --zero-copy 1 --vm2vm 0',
      ],
    ],
    [
      'descriptors without it',
      2,
      () => ['--', '--rx-desc-num', '64'],
      [
        'vhost-host: --rx-desc-num (rxDescriptors) only means something with --zero-copy 1',
        '  vhost-host start --run-dir DIR --zero-copy 1',
      ],
    ],
  ];
  for (const [what, status, args, lines] of refused) {
    it(`${what}: refused at start, with what fixes it`, async () => {
      const dir = await tempDir(scope());
      const { code, stderr } = await vhostHost(scope(), ['start', '--run-dir', `${dir}/run`, ...args(dir)]);
      assert.equal(code, status);
      const wanted = lines.map((line) => line.replace('DIR', `${dir}/run`));
      assert.deepEqual(stderr.trimEnd().split('\n').slice(-2), wanted);
    });
  }
});
