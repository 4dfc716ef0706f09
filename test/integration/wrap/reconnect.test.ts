import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { Child } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { bin, root, tempDir } from '../../helpers/paths.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';

const deadline = 30_000;

interface Emulator {
  readonly path: string;
  readonly args: readonly string[];
  /** What it says itself. */
  readonly version: readonly [major: number, minor: number];
}

/** The one that is installed, and the one that the tests of VMDq use, where it is another. */
function emulators(): Emulator[] {
  const newer = `${root}build/qemu/usr`;
  const program = 'bin/qemu-system-x86_64';
  const found = [{ path: `/usr/${program}`, args: [] as string[] }];
  if (existsSync(`${newer}/${program}`) && realpathSync(`${newer}/${program}`) !== realpathSync(`/usr/${program}`)) {
    const firmware = ['qemu', 'seabios'].flatMap((name) => ['-L', `${newer}/share/${name}`]);
    found.push({ path: `${newer}/${program}`, args: firmware });
  }
  return found.map(({ path, args }) => {
    const said = execFileSync(path, ['--version'], { encoding: 'utf8' });
    const [, major, minor] = /version (\d+)\.(\d+)/.exec(said) ?? assert.fail(said);
    return { path, args, version: [Number(major), Number(minor)] };
  });
}

describe('a guest comes back to a switch that was away', function () {
  this.timeout(120_000);
  const scope = freshScope();

  for (const { path, args, version } of emulators()) {
    const [major, minor] = version;
    const key = major > 9 || (major === 9 && minor >= 2) ? 'reconnect-ms=100' : 'reconnect=1';

    it(`by ${key} of QEMU ${version.join('.')}, which finds nothing wrong with that`, async () => {
      const runDir = await tempDir(scope());
      const connected = (vswitch: Switch): Promise<boolean> =>
        until(async () => (await vswitch.ports()).some(({ name, state }) => name === 'r-h1' && state !== 'waiting'), {
          deadline,
          what: 'the guest to be connected',
        });
      const first = await Switch.start(scope(), { runDir });
      const net = ['-netdev', 'tap,id=h1,vhost=on', '-device', 'virtio-net-pci,netdev=h1,romfile='];
      const machine = ['-machine', 'pc', '-accel', 'tcg', '-m', '64', '-nodefaults', '-display', 'none', '-S'];
      const guest = await Child.start(scope(), 'the guest', bin.qemuWrap, ['-name', 'r', ...args, ...machine, ...net], {
        env: { VHOST_HOST_EMULATOR: path, VHOST_HOST_RUN_DIR: runDir },
      });
      await connected(first);
      const words = readFileSync(`/proc/${guest.pid}/cmdline`, 'utf8').split('\0');
      assert.match(words.find((word) => word.startsWith('socket,')) ?? '', new RegExp(`,${key}$`));
      await first.stop();
      await connected(await Switch.start(scope(), { runDir }));
      assert.equal(guest.end, undefined);
      assert.doesNotMatch(guest.stderr, /deprecat|mutually|Invalid/i);
    });
  }
});
