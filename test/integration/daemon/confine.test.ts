import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { Child } from '../../helpers/child.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { buildFrontEnd, frontEnd } from '../../helpers/frontend.js';
import { root } from '../../helpers/paths.js';
import { withScope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';

/** System calls of x86-64 (asm/unistd_64.h), with arguments that they would be good for. */
const CALLS = {
  getpid: ['39'],
  write: ['1', '2', '@', '0'],
  openat: ['257', '-100', '@/etc/passwd', '0'],
  socket: ['41', '1', '1', '0'],
  execve: ['59', '@/bin/true', '0', '0'],
  ioctl: ['16', '1', '0'],
  chmod: ['90', '@/tmp', '1023'],
  unshare: ['272', String(0x1000_0000)],
  umask: ['272', String(0x200)],
  clone3: ['435', '0', '0'],
  mount: ['165', '0', '@/tmp', '@tmpfs', '0', '0'],
  ptrace: ['101', '16', '1'],
  io_uring_setup: ['425', '1', '0'],
  init_module: ['175', '0', '0', '0'],
  x32: [String(0x4000_0000 + 39)],
} as const;

const REFUSED = -1;
const NO_SUCH = -38;

describe('what is left to somebody who runs code in the switch', function () {
  this.timeout(180_000);
  const scope = freshScope({ skip: () => (process.arch === 'x64' ? needsRoot() : 'numbers of x86-64 calls') });

  before(async function () {
    this.timeout(120_000);
    if (process.arch === 'x64') await withScope((building) => buildFrontEnd(building, 'inject'));
  });

  const inject = async (thread: number, call: keyof typeof CALLS): Promise<number> =>
    Number(await frontEnd(scope(), 'inject', [String(thread), ...CALLS[call]]));

  const field = async (pid: number, thread: number, name: string): Promise<string> => {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return new RegExp(`^${name}:\\s+(\\S+)$`, 'm').exec(status)?.[1] ?? '';
  };

  it('is next to nothing for a worker, little for the rest, and all that the switch needs', async () => {
    const it = await Switch.start(scope());
    const { pid, workers } = await it.status();
    const worker = workers[0]?.tid ?? 0;
    assert.equal(await inject(worker, 'getpid'), pid);
    assert.equal(await inject(worker, 'write'), 0);
    for (const call of ['openat', 'socket', 'execve', 'ioctl', 'chmod', 'ptrace', 'mount', 'x32'] as const)
      assert.equal(await inject(worker, call), REFUSED, `${call} of a worker`);
    assert.equal(await field(pid, worker, 'CapEff'), '0000000000000000');
    assert.equal(await field(pid, worker, 'CapPrm'), '0000000000000000');
    assert.equal(await inject(pid, 'getpid'), pid);
    for (const call of ['unshare', 'mount', 'ptrace', 'io_uring_setup', 'init_module', 'x32'] as const)
      assert.equal(await inject(pid, call), REFUSED, `${call} of the main thread`);
    assert.equal(await inject(pid, 'clone3'), NO_SUCH);
    assert.equal(await inject(pid, 'umask'), 0);
    for (const thread of (await readdir(`/proc/${pid}/task`)).map(Number)) {
      assert.equal(await field(pid, thread, 'Seccomp'), '2', `thread ${thread}`);
      assert.equal(await field(pid, thread, 'NoNewPrivs'), '1', `thread ${thread}`);
    }
    // CAP_SYS_MODULE, CAP_SYS_BOOT, CAP_MKNOD, CAP_SETUID, CAP_KILL: none that it does not need.
    const left = BigInt(`0x${await field(pid, pid, 'CapPrm')}`);
    for (const capability of [16n, 22n, 27n, 7n, 5n]) assert.equal((left >> capability) & 1n, 0n, `${capability}`);
    assert.equal(await field(pid, pid, 'CapBnd'), await field(pid, pid, 'CapPrm'));
    // One that blocks all signals is not reached: Node's for its debugger.
    const threads = (await readdir(`/proc/${pid}/task`)).map(Number);
    const reached = async (thread: number): Promise<boolean> =>
      (await field(pid, thread, 'SigBlk')).startsWith('fff') ||
      (BigInt(`0x${await field(pid, thread, 'CapPrm')}`) & ~left) === 0n;
    await until(async () => (await Promise.all(threads.map(reached))).every(Boolean), {
      deadline: 20_000,
      what: 'older threads to lose capabilities',
    });
    const blocking = await Promise.all(threads.map((thread) => field(pid, thread, 'SigBlk')));
    assert.ok(blocking.filter((mask) => mask.startsWith('fff')).length <= 1, blocking.join(' '));
    // It goes on, with what it makes while it runs.
    assert.equal((await it.cli('ports', 'add', 'late')).code, 0);
    const knocker = await Child.start(scope(), 'a guest', 'python3', [`${root}test/helpers/net/knock.py`]);
    knocker.write(`${(await it.port('late')).socket}\n`);
    await knocker.waitFor(/^in$/m, { deadline: 20_000 });
    await until(async () => (await it.port('late')).state === 'connected', { deadline: 20_000, what: 'the guest' });
    assert.doesNotMatch(await it.log(), /does not take from the switch/);
  });
});
