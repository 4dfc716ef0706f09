import { strict as assert } from 'node:assert';
import { PACKAGE, debian, withApparmor } from '../../libvirt/support.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { FlagLedger } from '../flags.js';
import { Desk, parse } from '../support.js';
import type { Outcome } from '../support.js';

const flags = new FlagLedger();
const CONF = '/etc/libvirt/qemu.conf';
const HOOK = '/etc/libvirt/hooks/qemu.d/vhost-host';
const RESTART = 'systemctl restart libvirtd.service';

function system(): MemoryHost {
  const memory = withApparmor(debian()).dir('/run/systemd/system').dir('/var/lib');
  memory.commands.set('systemctl is-active libvirtd.service', { stdout: 'active\n' });
  return memory;
}

function desk(memory: MemoryHost, answers?: boolean[]): Desk {
  return Object.assign(new Desk(), { fakeHost: memory.host, answers });
}

const setup = (at: Desk, ...args: string[]): Promise<Outcome> =>
  flags.run(at, 'libvirt', 'setup', '--package-root', PACKAGE, ...args);

describe('libvirt setup on the command line', () => {
  it('shows, asks, does, offers the restart with what it means, and tells what waits', async () => {
    const memory = system();
    const at = desk(memory, [true, false]);
    const { code, out, err } = await setup(at, '--devices', '1,3-4');
    assert.equal(code, 0);
    assert.deepEqual(at.questions, [
      'Change the host so?',
      `Restart libvirtd so that it reads ${CONF} and ${HOOK}? (running guests go on running, and libvirt finds them again)`,
    ]);
    assert.match(err.join('\n'), /^\+ install \/usr\/bin\/qemu-wrap$/m);
    assert.match(err.join('\n'), /^ {4}\+ {4}"\/dev\/usvhost-4"$/m);
    assert.deepEqual(out, [
      '4 changes made; vhost-host libvirt setup --undo takes them back',
      `libvirtd reads ${CONF} and ${HOOK} when it starts (running guests go on running, and libvirt finds them again): ${RESTART}`,
      'a running guest gets the new AppArmor rules when it starts next',
    ]);
    assert.ok(!memory.ran.includes(RESTART));
    assert.deepEqual((await setup(desk(memory, []), '--devices', '1')).out, ['nothing to do']);
  });

  it('a no changes nothing and says so', async () => {
    const memory = system();
    const before = memory.tree();
    const { code, err } = await setup(desk(memory, [false]));
    assert.deepEqual([code, err.at(-1)], [1, 'cancelled: nothing was changed']);
    assert.deepEqual(memory.tree(), before);
  });

  it('without a terminal it wants --yes', async () => {
    const memory = system();
    const { code, err } = await setup(desk(memory));
    assert.deepEqual([code, err.at(-1)], [2, 'vhost-host libvirt setup --yes (or --dry-run to look only)']);
    assert.equal(await memory.host.stat('/usr/bin/qemu-wrap'), undefined);
  });

  it('--yes asks nothing, restarts nothing unless told to', async () => {
    const memory = system();
    assert.match(
      (await setup(desk(memory), '--yes', '--devices', '1')).out.join('\n'),
      new RegExp(`: ${RESTART}$`, 'm'),
    );
    assert.ok(!memory.ran.includes(RESTART));
    const undone = await setup(desk(memory), '--undo', '--yes', '--restart');
    assert.deepEqual([undone.out, memory.ran.includes(RESTART)], [['all taken back'], true]);
    const third = system();
    await setup(desk(third, [true]), '--no-restart', '--devices', '1');
    assert.ok(!third.ran.includes(RESTART));
  });

  it('a dry run is the plan as the answer, and changes nothing', async () => {
    const memory = system();
    const before = memory.tree();
    const { out, err } = await setup(desk(memory), '--dry-run');
    assert.deepEqual([out[0], err], ['+ install /usr/bin/qemu-wrap', []]);
    const json = parse((await setup(desk(memory), '--dry-run', '--json', '--devices', '1')).out[0]);
    const steps = json['steps'] as { id: string; state: string; diff: string }[];
    assert.deepEqual(
      steps.map(({ id, state }) => [id, state]),
      ['wrapper', 'qemu-conf', 'apparmor', 'hook'].map((id) => [id, 'planned']),
    );
    assert.ok(steps.every(({ diff }) => diff !== ''));
    assert.deepEqual(memory.tree(), before);
  });

  it('undo shows what it takes back, asks, and ends where it began', async () => {
    const memory = system();
    const before = memory.tree();
    await setup(desk(memory), '--yes', '--devices', '1');
    const looked = await setup(desk(memory), '--undo', '--dry-run');
    assert.match(
      looked.out.join('\n'),
      /^- put back \/etc\/libvirt\/qemu\.conf$\n(.*\n)* {4}-cgroup_device_acl = \[$/m,
    );
    const at = desk(memory, [true, true]);
    const { code, out } = await setup(at, '--undo');
    assert.deepEqual([code, out], [0, ['all taken back']]);
    assert.equal(at.questions[0], 'Take these changes back?');
    assert.ok(memory.ran.includes(RESTART));
    assert.deepEqual(memory.tree(), before);
    assert.deepEqual((await setup(desk(memory), '--undo')).out, ['nothing to undo']);
  });

  it('a file changed since stops the undo with its name; --leave keeps it', async () => {
    const memory = system();
    await setup(desk(memory), '--yes', '--devices', '1');
    await memory.host.write(CONF, 'user = "me"\n');
    const { code, err } = await setup(desk(memory), '--undo', '--yes');
    assert.equal(code, 1);
    assert.deepEqual(err.slice(-2), [
      `${CONF} was changed since: nothing was undone`,
      `--leave ${CONF} keeps what stands there now and undoes the rest`,
    ]);
    assert.equal((await setup(desk(memory), '--undo', '--yes', '--leave', CONF)).code, 0);
    assert.equal(await memory.host.read(CONF), 'user = "me"\n');
    assert.equal(await memory.host.stat('/usr/bin/qemu-wrap'), undefined);
    const alone = await setup(desk(memory), '--leave', 'x');
    assert.deepEqual([alone.code, alone.err[0]], [2, '--leave goes with --undo']);
  });

  it('not root: one line with the command that is', async () => {
    const memory = system();
    memory.user = 1000;
    const { code, err } = await setup(desk(memory));
    assert.deepEqual([code, err.length, err.at(-1)], [1, 2, 'sudo vhost-host libvirt setup']);
  });

  it('qemu-wrap, run directory, emulator and policies are chosen by flags, else by its configuration', async () => {
    const memory = system().file('/opt/qemu/bin/qemu', '', 0o711, { gid: 9 });
    const choices = ['--wrapper', '/usr/sbin/my-wrap', '--emulator', '/opt/qemu/bin/qemu', '--run-dir', '/run/mine'];
    const policies = [
      '--apparmor',
      'on',
      '--selinux',
      'off',
      '--dev-basename',
      'mydev',
      '--devices',
      '2',
      '--no-restart',
    ];
    await setup(desk(memory), '--yes', ...choices, ...policies);
    const tree = memory.tree();
    assert.match(tree['/usr/sbin/my-wrap'] ?? '', /^file 711 0:9 /);
    const rules = tree['/etc/apparmor.d/local/abstractions/libvirt-qemu'] ?? '';
    for (const rule of ['/run/mine/wrap.sock rw,', '/opt/qemu/bin/qemu rmix,', '/dev/mydev-[0-9]* rw,']) {
      assert.ok(rules.includes(`  ${rule}\n`), rule);
    }
    const other = system().file('/opt/qemu/bin/qemu', '', 0o755);
    other.file('/etc/vhost-host/qemu-wrap.json', '{"emulator":"/opt/qemu/bin/qemu","runDir":"/run/theirs"}');
    await setup(desk(other), '--yes');
    assert.match(other.tree()['/etc/apparmor.d/local/abstractions/libvirt-qemu'] ?? '', /\/run\/theirs\/wrap\.sock/);
  });

  it('mistakes in flags are refused before anything is looked at', async () => {
    const cases: [string[], RegExp][] = [
      [['--devices', 'x'], /numbers such as 1 or 1-4/],
      [['--dev-basename', '../x'], /a name such as usvhost/],
      [['--wrapper', 'bin/x'], /an absolute path/],
      [['--apparmor', 'maybe'], /Allowed choices are auto, on, off/],
    ];
    for (const [args, message] of cases) {
      const { code, err } = await setup(desk(system()), ...args);
      assert.equal(code, 2);
      assert.match(err[0] ?? '', message);
    }
  });

  it('--legacy and --root reach the plan', async () => {
    assert.match(
      (await setup(desk(system()), '--legacy', '--yes')).err[0] ?? '',
      /^the version of libvirt is not known/,
    );
    assert.match(
      (await setup(desk(system()), '--root', '/mnt', '--yes')).err[0] ?? '',
      /^there is no directory \/mnt$/,
    );
  });
});

describe('libvirt on the command line: last of all', () => {
  it('every flag that is declared was used in a call above', () => {
    assert.deepEqual(
      flags.unused((flag) => !flag.startsWith('libvirt ')),
      [],
    );
  });
});
