import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { watchForLeaks } from '../../helpers/leaks.js';
import { bin, root, tempDir } from '../../helpers/paths.js';
import { Qmp } from '../../helpers/guests/qmp.js';
import { Scope } from '../../helpers/scope.js';
import { SPELLINGS, spelled } from '../../helpers/spellings.js';
import type { Spelling } from '../../helpers/spellings.js';
import { Switch } from '../../helpers/switch.js';
import { within } from '../../helpers/until.js';

const newer = `${root}build/qemu/usr`;
const roms = [
  '-L',
  `${newer}/share/qemu`,
  '-L',
  `${newer}/share/seabios`,
  '-L',
  '/usr/share/seabios',
  '-L',
  '/usr/lib/ipxe/qemu',
];

/** Debian's, with every spelling; a newer one where the suite has fetched it, with those that need most rewriting. */
const QEMUS = [
  { path: '/usr/bin/qemu-system-x86_64', args: [] as string[], only: Object.keys(SPELLINGS) },
  {
    path: `${newer}/bin/qemu-system-x86_64`,
    args: roms,
    only: [
      '-net nic with -net tap',
      'all of it in a file',
      'the netdev in a file',
      "the memory as the machine's property",
    ],
  },
].filter(({ path }) => existsSync(path));

/** Paused, and with nothing but the monitor. */
const QUIET = ['-S', '-display', 'none', '-serial', 'none', '-qmp', 'stdio'];

describe('QEMU takes what becomes of every spelling', function () {
  this.timeout(60_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let file: string;

  before(async () => {
    noLeaks = await watchForLeaks();
    vswitch = await Switch.start(scope);
    file = `${await tempDir(scope)}/guest.cfg`;
  });
  after(async () => {
    await scope.close();
    await noLeaks();
  });

  /** What the started guest is, by its own account. */
  async function report(guest: ChildProcess): Promise<{ bytes: number; network: string }> {
    const { stdin, stdout } = guest;
    if (stdin === null || stdout === null) throw new Error('the guest has no monitor');
    const monitor = Duplex.from({ readable: stdout, writable: stdin });
    // Its end is the guest's.
    monitor.on('error', () => undefined);
    const qmp = await Qmp.greet(monitor);
    const memory = (await qmp.run('query-memory-size-summary')) as { 'base-memory': number };
    const network = await qmp.run('human-monitor-command', { 'command-line': 'info network' });
    const ended = once(guest, 'exit');
    await qmp.run('quit');
    await within(ended, { deadline: 10_000, what: 'the end of the guest' });
    return { bytes: memory['base-memory'], network: String(network) };
  }

  async function check(emulator: string, args: readonly string[], spelling: Spelling): Promise<void> {
    if (spelling.file !== undefined) writeFileSync(file, spelling.file);
    const env = {
      ...process.env,
      VHOST_HOST_RUN_DIR: vswitch.runDir,
      VHOST_HOST_EMULATOR: emulator,
      VHOST_HOST_WRAP_HUGEPAGES: 'off',
    };
    const guest = spawn(bin.qemuWrap, [...QUIET, ...args, ...spelled(spelling, file)], { env });
    let stderr = '';
    guest.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const gone = once(guest, 'exit');
    try {
      const { bytes, network } = await report(guest).catch((error: unknown) => {
        throw new Error(`QEMU says: ${stderr}`, { cause: error });
      });
      assert.equal(bytes, 96 * 2 ** 20);
      const cards = network.match(/type=nic,model=\S+/g) ?? [];
      assert.equal(cards.length, spelling.cards ?? 1, network);
      assert.match(
        network,
        /type=nic,model=virtio-net-pci[^\n]*macaddr=52:54:00:00:00:09\r?\n \\ [^\n]*type=vhost-user/,
      );
    } finally {
      if (guest.exitCode === null && guest.signalCode === null) guest.kill('SIGKILL');
      await gone;
    }
  }

  it('there is a QEMU to start', () => assert.ok(QEMUS.length > 0));

  for (const { path, args, only } of QEMUS) {
    for (const name of only) {
      it(`${path}: ${name}`, () => check(path, args, SPELLINGS[name] ?? { args: '' }));
    }
  }
});
