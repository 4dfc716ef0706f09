import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { makeBroker } from '../../../src/cli/wrap/switch-broker.js';
import { MAX_QUEUE_PAIRS } from '../../../src/common/queue-pairs.js';
import { realHost } from '../../../src/host/node-host.js';
import type { Exchange } from '../../../src/switch/client/raw-http.js';
import { DEFAULTS } from '../../../src/wrap/config/keys.js';
import type { Config } from '../../../src/wrap/config/keys.js';
import { FakeSwitch } from '../launch/fake-switch.js';
import type { Host, RunResult } from '../../../src/host/host.js';

const CLAIM = { netdev: 'h1', name: 'vm1-h1', queues: 2, exact: true };
/** What the launcher does for the planner. */
const exchange: Exchange = async (socket, request) => {
  const connection = connect(socket);
  connection.write(request);
  return text(connection);
};

const GIVEN = { socket: '/fake/vm1-h1.sock' };

describe('the way to the switch', () => {
  let dir: string;
  let fakes: FakeSwitch[];
  let started: string[][];
  let said: string[];
  /** /proc/7/stat of the launcher, whose name is of the kind that confuses. */
  let launcher: string | undefined;
  const own = (): string => join(dir, 'user', 'vhost-host');

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'vh-broker-'));
    [fakes, started, said] = [[], [], []];
    launcher = undefined;
    mkdirSync(own(), { recursive: true, mode: 0o700 });
  });
  afterEach(() => {
    fakes.forEach((fake) => fake.close());
    rmSync(dir, { recursive: true });
  });

  /** Devices are files below the test's directory; each open gives the next number. */
  let openable: string[] = [];
  let next = 20;
  const open = (device: string): Promise<number> => {
    if (openable.includes(device)) return Promise.resolve(next++);
    return Promise.reject(Object.assign(new Error('ENOENT'), { code: 'ENOENT' }));
  };
  beforeEach(() => void ([openable, next] = [[], 20]));

  const listen = async (socket: string, answer?: Parameters<typeof FakeSwitch.listen>[1]): Promise<void> =>
    void fakes.push(await FakeSwitch.listen(socket, answer));

  /** A user with a run directory of their own, for whom `start` does what the test says. */
  function brokerOf(config: Partial<Config> = {}, start?: () => Promise<RunResult>, uid = process.getuid?.() ?? 0) {
    const host: Host = {
      ...realHost,
      readOptional: (path) => (path === '/proc/7/stat' ? Promise.resolve(launcher) : realHost.readOptional(path)),
      uid: () => (uid === 0 ? 1000 : uid),
      lstat: async (path) => {
        // The system's own switch, should one run here, is none of this test's business.
        const stat = path.startsWith(dir) ? await realHost.lstat(path) : undefined;
        // The directories of this test are made by whoever runs it and stand for the user's.
        return stat === undefined || stat.uid !== 0 ? stat : { ...stat, uid: 1000 };
      },
      env: (name) => (name === 'XDG_RUNTIME_DIR' ? join(dir, 'user') : undefined),
      run: (_, args) => {
        started.push([...args.slice(1)]);
        return start?.() ?? Promise.reject(new Error('nothing may be started here'));
      },
    };
    return makeBroker(
      { host, log: (line) => void said.push(line), exchange, open, pid: 7 },
      { ...DEFAULTS, ...config },
    );
  }

  it("asks the user's own switch, by the narrow socket", async () => {
    await listen(join(own(), 'wrap.sock'));
    await listen(join(own(), 'api.sock'));
    deepEqual(await brokerOf().claim(CLAIM, false), GIVEN);
    deepEqual(
      fakes.map((fake) => fake.claims.length),
      [1, 0],
    );
  });

  it('a run directory that was named is the only one asked', async () => {
    const runDir = join(dir, 'named');
    mkdirSync(runDir);
    await listen(join(own(), 'wrap.sock'));
    await rejects(brokerOf({ runDir }).claim(CLAIM, true), { code: 'SWITCH_NOT_RUNNING' });
    await listen(join(runDir, 'api.sock'));
    deepEqual(await brokerOf({ runDir }).claim(CLAIM, true), GIVEN);
    deepEqual(await brokerOf({ runDir }).predict(CLAIM), { socket: join(runDir, 'port-vm1-h1.sock') });
  });

  it('a switch in a directory that others may write to is not trusted with guest memory', async () => {
    rmSync(own(), { recursive: true });
    mkdirSync(own());
    await realHost.chmod(own(), 0o777);
    await listen(join(own(), 'wrap.sock'));
    await rejects(brokerOf().claim(CLAIM, true), { code: 'SWITCH_NOT_RUNNING' });
    equal(fakes[0]?.claims.length, 0);
  });

  it('what the switch refuses is passed on as it said it, and nothing is started', async () => {
    await listen(join(own(), 'wrap.sock'), (_, response) => {
      response.statusCode = 409;
      response.end(JSON.stringify({ error: { code: 'PORT_IN_USE', message: 'taken', hint: 'wait' } }));
    });
    await rejects(brokerOf().claim(CLAIM, false), { code: 'PORT_IN_USE', message: 'taken', hint: 'wait' });
    deepEqual(started, []);
  });

  it("a card without mac= beside a guest with QEMU's own address is told of, one with mac= is not", async () => {
    await listen(join(own(), 'wrap.sock'), (_, response) => {
      response.end(JSON.stringify({ ...GIVEN, defaultMacAt: 'other-net0' }));
    });
    deepEqual(await brokerOf().claim({ ...CLAIM, mac: '52:54:00:00:00:01' }, false), GIVEN);
    deepEqual(said, []);
    deepEqual(await brokerOf().claim(CLAIM, false), GIVEN);
    const rest = 'the guest at port other-net0 has the one that QEMU gives such cards: give it mac=52:54:00:…';
    deepEqual(said, [`qemu-wrap: the card of netdev "h1" has no mac=, and ${rest}`]);
  });

  const LAUNCHER = `7 (vh ) Z (x) S 6 ${'0 '.repeat(17)}4711 99 0\n`;
  const claimants = () => fakes[0]?.claims.map((sent) => (sent as { claim: { claimant?: unknown } }).claim.claimant);

  it('says which process becomes QEMU, where that can be told', async () => {
    await listen(join(own(), 'wrap.sock'));
    launcher = LAUNCHER;
    await brokerOf().claim(CLAIM, false);
    launcher = LAUNCHER.replace(' S ', ' Z ');
    await brokerOf().claim(CLAIM, false);
    deepEqual(claimants(), [{ pid: 7, started: 4711 }, undefined]);
    launcher = LAUNCHER;
    await brokerOf().claim({ ...CLAIM, forks: true }, false);
    match(JSON.stringify(fakes[0]?.claims.at(-1)), /"forks":true/);
  });

  it('does not say it again to a switch from before an update, which refuses what it does not know', async () => {
    await listen(join(own(), 'wrap.sock'), (claim, response) => {
      const old = (claim as { claimant?: unknown }).claimant === undefined;
      response.statusCode = old ? 200 : 400;
      response.end(JSON.stringify(old ? GIVEN : { error: { code: 'USAGE', message: 'unknown key claimant' } }));
    });
    launcher = LAUNCHER;
    deepEqual(await brokerOf().claim(CLAIM, false), GIVEN);
    deepEqual(claimants(), [{ pid: 7, started: 4711 }, undefined]);
  });

  it('an answer without a socket is no answer', async () => {
    await listen(join(own(), 'wrap.sock'), (_, response) => void response.end('{}'));
    await rejects(brokerOf().claim(CLAIM, false), { code: 'SWITCH_UNREACHABLE' });
  });

  const startsAt = (exitCode: number) => async (): Promise<RunResult> => {
    await listen(join(own(), 'wrap.sock'));
    return { exitCode, stdout: '', stderr: 'vhost-host: a switch is running\n  vhost-host stop\n' };
  };

  it('by hand it starts the switch and says so in one line', async () => {
    deepEqual(await brokerOf({}, startsAt(0)).claim(CLAIM, false), GIVEN);
    deepEqual(started, [['start', '--run-dir', own()]]);
    deepEqual(said, [`qemu-wrap: started the switch in ${own()} (vhost-host stop ends it)`]);
  });

  it('below libvirt only when the configuration says so; never when it says no', async () => {
    await rejects(brokerOf({}, startsAt(0)).claim(CLAIM, true), { code: 'SWITCH_NOT_RUNNING' });
    await rejects(brokerOf({ autostart: 'off' }, startsAt(0)).claim(CLAIM, false), { code: 'SWITCH_NOT_RUNNING' });
    deepEqual(started, []);
    deepEqual(await brokerOf({ autostart: 'on' }, startsAt(0)).claim(CLAIM, true), GIVEN);
  });

  it('when another guest was quicker to start it, uses that one and says nothing', async () => {
    deepEqual(await brokerOf({}, startsAt(1)).claim(CLAIM, false), GIVEN);
    deepEqual(said, []);
  });

  it('waits for a switch that somebody else is just starting', async () => {
    writeFileSync(join(own(), 'lock'), '');
    let asked = 0;
    const broker = brokerOf({}, () => {
      setImmediate(() => void listen(join(own(), 'wrap.sock')));
      asked++;
      return Promise.resolve({ exitCode: 1, stdout: '', stderr: '' });
    });
    deepEqual(await broker.claim(CLAIM, false), GIVEN);
    equal(asked, 1);
  });

  it('a switch that cannot be started is the reason given', async () => {
    const failing = (): Promise<RunResult> =>
      Promise.resolve({ exitCode: 1, stdout: '', stderr: '- start ...\nvhost-host: no memory\n  buy some\n' });
    await rejects(brokerOf({}, failing).claim(CLAIM, false), {
      code: 'SWITCH_START_FAILED',
      message: 'no switch is running, and starting one failed: vhost-host: no memory',
      hint: `vhost-host start --run-dir ${own()}`,
    });
  });

  it("explains with the user's own directory where no switch runs", async () => {
    deepEqual(await brokerOf().predict(CLAIM), { socket: join(own(), 'port-vm1-h1.sock') });
    await rejects(brokerOf({ runDir: `/${'x'.repeat(100)}` }).predict(CLAIM), { code: 'SOCKET_PATH_TOO_LONG' });
  });

  it('does not foretell more queue pairs than a port may have, by either transport', async () => {
    const most = MAX_QUEUE_PAIRS;
    for (const transport of ['user', 'cuse'] as const) {
      await brokerOf({ transport }).predict({ ...CLAIM, queues: most });
      await rejects(brokerOf({ transport }).predict({ ...CLAIM, queues: most + 1 }), {
        code: 'PORT_LIMIT',
        message: `netdev "${CLAIM.netdev}" has ${most + 1} queue pairs, a port of the switch at most ${most}`,
        hint: `queues=${most} (or so many descriptors); for libvirt: <driver queues='${most}'/>`,
      });
    }
  });

  const withDevice = (transports: string[]) => (_: unknown, response: ServerResponse) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: 'x', ...GIVEN, transports, device: '/dev/usvhost-3' }));
  };

  it("a port's device is opened once per queue pair, where it is asked for", async () => {
    openable = ['/dev/usvhost-3'];
    await listen(join(own(), 'wrap.sock'), withDevice(['user', 'cuse']));
    deepEqual(await brokerOf({ transport: 'cuse' }).claim(CLAIM, false), { device: '/dev/usvhost-3', fds: '20:21' });
    const asked = (transport?: string) => ({ name: 'vm1-h1', queues: 2, exact: true, ...(transport && { transport }) });
    const claimed = () => (fakes[0]?.claims.at(-1) as { claim: unknown }).claim;
    deepEqual(claimed(), asked('cuse'));
    deepEqual(await brokerOf().claim(CLAIM, false), GIVEN);
    deepEqual(claimed(), asked());
    const mac = '52:54:00:00:00:01';
    await brokerOf().claim({ ...CLAIM, mac }, false);
    deepEqual(claimed(), { ...asked(), mac });
    deepEqual(await brokerOf({ transport: 'user' }).claim(CLAIM, false), GIVEN);
    deepEqual(claimed(), asked('user'));
    deepEqual(await brokerOf({ transport: 'cuse' }).predict(CLAIM), { device: '/dev/usvhost-N', fds: 'FD:FD' });
  });

  it('or where the port has nothing else', async () => {
    openable = ['/dev/usvhost-3'];
    await listen(join(own(), 'wrap.sock'), withDevice(['cuse']));
    deepEqual(await brokerOf().claim(CLAIM, false), { device: '/dev/usvhost-3', fds: '20:21' });
  });

  it('a device that cannot be opened, or is not there, is named with what to do', async () => {
    await listen(join(own(), 'wrap.sock'), withDevice(['cuse']));
    await rejects(brokerOf().claim(CLAIM, false), {
      code: 'DEVICE_UNUSABLE',
      message: /^\/dev\/usvhost-3 cannot be opened: there is no such device/,
      hint: 'vhost-host check; below libvirt: sudo vhost-host libvirt setup --devices 3',
    });
    fakes.splice(0).forEach((fake) => fake.close());
    await listen(join(own(), 'wrap.sock'));
    await rejects(brokerOf({ transport: 'cuse' }).claim(CLAIM, false), {
      code: 'SWITCH_UNREACHABLE',
      message: /gave no device for port vm1-h1$/,
    });
  });

  it('one device for all needs no switch; auto takes the switch where it cannot be opened', async () => {
    const device = '/dev/usvhost-1';
    openable = [device];
    deepEqual(await brokerOf({ transport: 'cuse', device }).claim(CLAIM, true), { device, fds: '20:21' });
    deepEqual(await brokerOf({ device }).claim(CLAIM, true), { device, fds: '22:23' });
    deepEqual(await brokerOf({ transport: 'cuse', device }).predict(CLAIM), { device, fds: 'FD:FD' });
    openable = [];
    await rejects(brokerOf({ transport: 'cuse', device }).claim(CLAIM, true), { code: 'DEVICE_UNUSABLE' });
    await listen(join(own(), 'wrap.sock'));
    deepEqual(await brokerOf({ device }).claim(CLAIM, true), GIVEN);
    deepEqual(await brokerOf({ transport: 'user', device }).claim(CLAIM, true), GIVEN);
  });
});
