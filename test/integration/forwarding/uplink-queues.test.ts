import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { finished, packet } from '../../helpers/net/ip-frames.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { runToEnd } from '../../helpers/child.js';
import { linkPrefix } from '../../helpers/paths.js';
import type { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { RecordingGuest } from '../../helpers/guests/virtio-user.js';
import { Wire } from '../../helpers/net/wire.js';

/** Two queues of an uplink, two workers: this kernel sends UDP of many flows by it, and a guest records the frames. */

const mac = '02:00:00:00:00:0a';
const outside = '02:00:00:00:01:01';
const guestAddress = '10.77.9.1';
const hostAddress = '10.77.9.2/24';
const FLOWS = 8;
const LENGTH = 50;
const FIRST_PORT = 30_000;
const DEADLINE_MS = 20_000;

async function ip(scope: Scope, ...args: string[]): Promise<void> {
  const { code, stderr } = await runToEnd(scope, 'ip', args);
  assert.equal(code, 0, stderr);
}

/** Sends each flow's datagrams one after the other, the flows mixed. */
async function sendFlows(port: number): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: FLOWS }, async (_, flow) => {
      const socket = createSocket('udp4');
      await new Promise<void>((resolve) => socket.bind(port + flow, resolve));
      return socket;
    }),
  );
  try {
    for (let seq = 0; seq < LENGTH; seq++) {
      for (const socket of sockets) {
        await new Promise<void>((resolve, reject) =>
          socket.send(Buffer.from([seq]), 9, guestAddress, (error) => (error === null ? resolve() : reject(error))),
        );
      }
    }
  } finally {
    for (const socket of sockets) socket.close();
  }
}

/** Waits for all datagrams, and looks at the flows from `port` on. */
async function inOrder(guest: RecordingGuest, port: number): Promise<void> {
  const ofFlow = (frames: readonly Buffer[], flow: number): number[] =>
    frames
      .filter((frame) => frame.readUInt16BE(12) === 0x0800 && frame.readUInt16BE(34) === flow)
      .map((f) => f[42] ?? 0);
  const flows = Array.from({ length: FLOWS }, (_, i) => port + i);
  const frames = await until(
    async () => {
      const found = await guest.received(0);
      return flows.every((flow) => ofFlow(found, flow).length >= LENGTH) && found;
    },
    { deadline: DEADLINE_MS, what: 'all datagrams at the guest' },
  );
  const wanted = Array.from({ length: LENGTH }, (_, seq) => seq);
  for (const flow of flows) assert.deepEqual(ofFlow(frames, flow), wanted, `flow ${flow}`);
}

interface Device {
  readonly device: string;
  /** The kernel's interface at the other end. */
  readonly end: string;
}

function tap(): Promise<Device> {
  const end = `${linkPrefix}tap`;
  return Promise.resolve({ device: `net_tap0,iface=${end}`, end });
}

async function packetSocket(scope: Scope): Promise<Device> {
  const wire = await Wire.make(scope);
  return { device: `net_af_packet0,iface=${wire.near}`, end: wire.far };
}

describe('several queues of an uplink', function () {
  this.timeout(60_000);
  const scope = freshScope();

  it('both are used, and every flow stays in order, by net_tap and by net_af_packet', async () => {
    const vswitch = await Switch.start(scope(), { args: ['--workers', '0,1'] });
    const { socket } = await vswitch.addPort('guest');
    const hello = packet({ v6: false, tcp: false, from: mac, to: outside, payload: Buffer.from('hello') });
    const guest = await RecordingGuest.start(scope(), { socket, mac }, [finished(hello, false)]);
    await vswitch.portReady('guest');
    await guest.go();
    await until(async () => (await vswitch.macs()).some(({ port }) => port === 'guest'), {
      deadline: DEADLINE_MS,
      what: "the guest's address",
    });
    for (const [index, make] of [tap, packetSocket].entries()) {
      const { device, end } = await make(scope());
      const { workers } = await vswitch.addUplink({ name: 'net', device, queues: 2 });
      assert.deepEqual([...workers].sort(), [0, 1]);
      await ip(scope(), 'addr', 'add', hostAddress, 'dev', end);
      await ip(scope(), 'link', 'set', end, 'up');
      await ip(scope(), 'neigh', 'replace', guestAddress, 'lladdr', mac, 'dev', end);
      const before = (await vswitch.status()).workers;
      const port = FIRST_PORT + index * FLOWS;
      await sendFlows(port);
      await inOrder(guest, port);
      const after = (await vswitch.status()).workers;
      assert.ok(after.every(({ packets, id }) => packets >= (before[id]?.packets ?? NaN) + LENGTH));
      await vswitch.removeUplink('net');
    }
  });
});
