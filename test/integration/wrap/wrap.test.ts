import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { watchForLeaks } from '../../helpers/leaks.js';
import { bin, root, tempDir } from '../../helpers/paths.js';
import { Qmp } from '../../helpers/guests/qmp.js';
import { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { until, within } from '../../helpers/until.js';

const qemu = '/usr/bin/qemu-system-x86_64';
/** As in the recorded call: the monitor, the serial line's log, two taps and two vhost descriptors. */
const monitorFd = 29;
const unused = [34, 35];
/** QEMU puts copies of these into its descriptor sets, and closes them. */
const added = [30, 40];
const kept = [3, 9, 16, 17, 31, 33, 41];
const port = 'k-bridge-vhost-mq2-hostnet0';

/**
 * A call of libvirt's as it was recorded, but for what this machine has not: hardware virtualisation, libvirt's key
 * file and a kernel to boot. The monitor is a connection and not a socket to accept one on.
 */
function recordedCall(): string[] {
  const args = readFileSync(`${root}test/golden/wrap/recorded/k-bridge-vhost-mq2.in`, 'utf8').trimEnd().split('\n');
  const gone = new Set(['-kernel', '-initrd', '-append']);
  return args
    .filter((arg, i) => !gone.has(arg) && !gone.has(args[i - 1] ?? ''))
    .filter((arg, i, all) => !arg.includes('masterKey0') && !(all[i + 1] ?? '').includes('masterKey0'))
    .map((arg) => (arg === 'kvm' ? 'tcg,thread=multi' : arg.replace('fd=29,server=on,wait=off', 'fd=29')))
    .concat('-add-fd', 'set=1,fd=40,opaque=kept');
}

describe("a recorded call of libvirt's, with QEMU itself", function () {
  this.timeout(90_000);
  const scope = new Scope();
  const files = new Map<number, number>();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let process_: ChildProcess;
  let qmp: Qmp;
  let stderr = '';

  before(async () => {
    noLeaks = await watchForLeaks();
    vswitch = await Switch.start(scope);
    const dir = await tempDir(scope);
    for (const fd of [...unused, ...added, ...kept]) {
      const file = openSync(`${dir}/${fd}`, 'a');
      scope.defer(`descriptor ${fd}`, () => closeSync(file));
      files.set(fd, file);
    }
    const inherited = Array.from({ length: 39 }, (_, i) => (i + 3 === monitorFd ? 'pipe' : files.get(i + 3)));
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...inherited.map((fd) => fd ?? 'ignore')];
    const env = { ...process.env, VHOST_HOST_RUN_DIR: vswitch.runDir };
    process_ = spawn(bin.qemuWrap, recordedCall(), { stdio, env });
    const ended = once(process_, 'exit');
    scope.defer('the guest', async () => {
      process_.kill('SIGKILL');
      await ended;
    });
    process_.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const monitor = (process_.stdio as readonly unknown[])[monitorFd] as Duplex;
    qmp = await Qmp.greet(monitor).catch((error: unknown) => {
      throw new Error(`no monitor; QEMU says: ${stderr}`, { cause: error });
    });
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  const inodeOf = (fd: number): number | undefined =>
    statSync(`/proc/${process_.pid}/fd/${fd}`, { throwIfNoEntry: false })?.ino;
  const ownInode = (fd: number): number => fstatSync(files.get(fd) ?? -1).ino;

  it('the process that libvirt started is QEMU, paused and silent', async () => {
    assert.equal(readlinkSync(`/proc/${process_.pid}/exe`), qemu);
    assert.equal(readFileSync(`/proc/${process_.pid}/task/${process_.pid}/children`, 'utf8'), '');
    const { status, running } = (await qmp.run('query-status')) as { status: string; running: boolean };
    assert.deepEqual([status, running], ['prelaunch', false]);
    assert.equal(stderr, '');
  });

  it('every inherited descriptor is there under its number, but for those that nothing uses any more', async () => {
    for (const fd of kept) assert.equal(inodeOf(fd), ownInode(fd), `descriptor ${fd}`);
    const own = new Set(unused.map(ownInode));
    for (let fd = 3; fd <= 256; fd++) assert.ok(!own.has(inodeOf(fd) ?? -1), `descriptor ${fd}`);
    const sets = (await qmp.run('query-fdsets')) as { 'fdset-id': number; fds: { opaque: string }[] }[];
    assert.deepEqual(sets.flatMap(({ fds }) => fds.map(({ opaque }) => opaque)).sort(), ['kept', 'serial0-source']);
  });

  it('its NIC is connected to the port of its name, with both queues', async () => {
    const { queues, origin } = await vswitch.port(port);
    assert.deepEqual([queues, origin], [2, 'claim']);
    await until(async () => (await vswitch.port(port)).state !== 'waiting', {
      deadline: 10_000,
      what: 'the guest to be connected',
    });
  });

  it('runs on, ends when it is told to, and its port goes away', async () => {
    await qmp.run('cont');
    await until(async () => ((await qmp.run('query-status')) as { running: boolean }).running, {
      deadline: 10_000,
      what: 'the guest to run',
    });
    const ended = once(process_, 'exit');
    await qmp.run('quit');
    assert.deepEqual(await within(ended, { deadline: 10_000, what: 'the end of the guest' }), [0, null]);
    await until(async () => (await vswitch.ports()).every(({ name }) => name !== port), {
      deadline: 30_000,
      what: 'the port to be removed',
    });
  });
});
