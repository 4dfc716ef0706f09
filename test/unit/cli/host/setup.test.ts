import { strict as assert } from 'node:assert';
import { CHANGES_DIR } from '../../../../src/changes/journal.js';
import { debian12, image, rhel9, withNic } from '../../hostsetup/systems.js';
import { FakeLibvirt } from '../fake-libvirt.js';
import { ALL, asked, desk, flags, json, prepared, setup, states } from './setup-scene.js';

const DROP_IN = '/etc/default/grub.d/95-vhost-host.cfg';

describe('setup on the command line: for programs', () => {
  it('--yes takes the proposals; done twice it changes nothing; --undo leaves everything as it was', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    const first = await json(desk(memory), '--yes', ...ALL);
    assert.deepEqual([first.code, first.changed], [0, true]);
    assert.ok(Object.values(states(first)).every((state) => state === 'done' || state === 'unchanged'));
    const again = await json(desk(memory), '--yes', ...ALL);
    assert.deepEqual([again.code, again.changed], [0, false], JSON.stringify(states(again)));
    assert.match(again.awaits.join(), /a reboot brings the kernel with/);
    const { code, out } = await setup(desk(memory), '--undo', '--yes');
    assert.deepEqual([code, out], [0, ['all taken back', 'the kernel keeps its arguments until a reboot']]);
    assert.deepEqual(memory.tree(), before);
  });

  it('a dry run is the plan as the answer, and changes nothing', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    const { code, out, err } = await setup(desk(memory), '--dry-run', ...ALL);
    assert.deepEqual([code, err], [0, []]);
    assert.match(out.join('\n'), /^\+ kernel arguments: \/etc\/default\/grub\.d, then update-grub$/m);
    const plan = await json(desk(memory), '--dry-run', '--shrink', ...ALL);
    assert.deepEqual(plan.choices, {
      guestMemory: 2 ** 31,
      pageSize: 2 ** 30,
      switchPages: 16,
      nic: null,
      boot: true,
      install: false,
    });
    assert.equal(states(plan)['kernel-arguments'], 'planned');
    assert.deepEqual(memory.tree(), before);
  });

  it('without a terminal, and with --json, it wants --yes', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    const { code, err } = await setup(desk(memory), ...ALL);
    assert.deepEqual([code, err.at(-1)], [2, 'vhost-host setup --yes (or --dry-run to look only)']);
    const at = asked(desk(memory), [], []);
    assert.equal((await setup(at, '--json', ...ALL)).code, 2);
    assert.deepEqual([at.questions, memory.tree()], [[], before]);
  });

  it('small pages alone leave the boot loader alone, and are there again after a reboot', async () => {
    const memory = prepared(debian12());
    const plan = await json(desk(memory), '--dry-run', '--guest-memory', '1G', '--page-size', '2M');
    assert.equal(states(plan)['kernel-arguments'], undefined);
    assert.equal(plan.steps.find(({ id }) => id === 'hugepages-2M')?.wanted, '768 × 2M');
    assert.equal(states(plan)['hugepages-at-start'], 'planned');
  });

  it('without systemd both mounts stand in the one fstab', async () => {
    const memory = prepared(debian12());
    memory.entries.delete('/run/systemd/system');
    const before = memory.tree();
    // The start at boot is left to the user.
    assert.equal((await json(desk(memory), '--yes', ...ALL)).code, 1);
    const lines = (await memory.host.read('/etc/fstab')).split('\n').filter((line) => line.startsWith('hugetlbfs '));
    assert.deepEqual(
      lines.map((line) => line.split(/\s+/).slice(1, 4)),
      [
        ['/dev/hugepages', 'hugetlbfs', 'pagesize=1G,nofail'],
        ['/mnt/huge', 'hugetlbfs', 'pagesize=2M,nofail'],
      ],
    );
    assert.equal((await json(desk(memory), '--yes', ...ALL)).changed, false);
    assert.equal((await setup(desk(memory), '--undo', '--yes')).code, 0);
    assert.deepEqual(memory.tree(), before);
  });

  it('large pages that are not to be had now are no reason to do without the rest', async () => {
    const memory = prepared(debian12());
    memory.file('/proc/meminfo', 'MemTotal: 16777216 kB\nMemAvailable: 3000000 kB\nHugepagesize: 2048 kB\n');
    const plan = await json(desk(memory), '--dry-run', '--guest-memory', '8G', '--page-size', '1G');
    assert.match(plan.notes.join('\n'), /^pages of 1 GiB come with the next boot, and not now: .*have to stay free/m);
    assert.deepEqual([states(plan)['kernel-arguments'], states(plan)['hugepages-1G']], ['planned', undefined]);
  });

  it('more than the host can spare is refused before anything is asked or done', async () => {
    const memory = prepared(debian12());
    const { code, err } = await setup(desk(memory), '--yes', '--guest-memory', '16G', '--page-size', '1G');
    assert.deepEqual([code, err.length], [1, 2]);
    assert.match(err[0] ?? '', /needs 16\.5 GiB, but of 16\.0 GiB memory 2\.0 GiB have to stay free$/);
  });

  it('a system that somebody else builds gets a snippet', async () => {
    const memory = prepared(debian12()).file('/etc/os-release', 'ID=nixos\n');
    const { out } = await setup(desk(memory), '--dry-run', '--guest-memory', '1G', '--page-size', '1G', '--no-boot');
    assert.match(out.join('\n'), /^by hand: nixos is built.*\n {4}boot\.kernelParams = \[ "default_hugepagesz=1G"/m);
  });

  it('packages that are missing are named, and installed on request', async () => {
    const memory = prepared(debian12()).file('/usr/bin/apt-get', '', 0o755);
    memory.entries.delete('/usr/bin/qemu-system-x86_64');
    const named = await json(desk(memory), '--dry-run', ...ALL);
    assert.deepEqual(states(named)['packages'], undefined);
    assert.match(named.notes.join('\n'), /^missing: QEMU; --install installs qemu-system-x86$/m);
    const planned = await json(desk(memory), '--dry-run', ...ALL, '--install');
    assert.equal(states(planned)['packages'], 'planned');
  });

  it('nodes, a card, cuse and the configuration reach the plan', async () => {
    const memory = prepared(rhel9()).file('/etc/vhost-host/switch.json', '{}').dir('/sys/kernel/iommu_groups/7');
    withNic(memory, { address: '0000:03:00.0', id: '8086:10fb', driver: 'ixgbe', interfaces: ['ens3f0'], node: 1 });
    const card = ['--nic', 'ens3f0', '--nic-driver', 'uio_pci_generic', '--force-nic'];
    const more = [
      '--nodes',
      '0-1',
      '--cuse',
      '--config',
      '/etc/vhost-host/switch.json',
      '--connect',
      'qemu:///session',
    ];
    const plan = await json(desk(memory), '--dry-run', '--switch-pages', '1024', '--page-size', '2M', ...card, ...more);
    assert.equal(plan.choices['nic'], '0000:03:00.0');
    assert.deepEqual(
      plan.steps.filter(({ id }) => id.startsWith('hugepages-2M')).map(({ id, wanted }) => [id, wanted]),
      [
        ['hugepages-2M-node0', '512 × 2M on node 0'],
        ['hugepages-2M-node1', '512 × 2M on node 1'],
      ],
    );
    assert.equal(states(plan)['nic-0000:03:00.0'], 'planned');
    assert.match(plan.steps.find(({ id }) => id === 'service')?.diff ?? '', /--config \/etc\/vhost-host\/switch\.json/);
  });

  it('a service as a user of its own is refused beside what needs root, and root again by --no-own-user', async () => {
    const memory = prepared(debian12());
    const planned = await json(desk(memory), '--dry-run', ...ALL, '--own-user');
    assert.equal(states(planned)['user'], 'planned');
    assert.match(planned.steps.find(({ id }) => id === 'service')?.diff ?? '', /^\+User=vhost-host$/m);
    const root = await json(desk(memory), '--dry-run', ...ALL, '--no-own-user');
    assert.equal(states(root)['user'], undefined);
    const { code, err } = await setup(desk(memory), '--dry-run', ...ALL, '--own-user', '--cuse');
    assert.equal(code, 1);
    assert.equal(err[0], '--own-user: /dev/usvhost-N (--cuse) needs root');
  });

  it('--root prepares an image: nothing of the running system is touched or asked', async () => {
    const libvirt = new FakeLibvirt();
    const memory = debian12();
    for (const [path, entry] of prepared(image()).entries)
      memory.entries.set(path === '/' ? '/img' : `/img${path}`, entry);
    for (const path of [...memory.entries.keys()]) if (/^\/img\/(sys|run)\b/.test(path)) memory.entries.delete(path);
    const before = memory.tree();
    const args = ['--root', '/img', '--guest-memory', '1G', '--page-size', '1G', '--no-boot'];
    const done = await json(desk(memory, libvirt), ...args, '--yes');
    assert.equal(done.code, 0, JSON.stringify(done));
    const changed = Object.entries(memory.tree()).filter(([path, text]) => before[path] !== text);
    assert.deepEqual(
      changed.filter(([path]) => !path.startsWith('/img')),
      [],
    );
    assert.ok(changed.some(([path]) => path === `/img${DROP_IN}`));
    assert.ok(changed.some(([path]) => path.startsWith(`/img${CHANGES_DIR}/`)));
    assert.deepEqual(libvirt.calls, []);
    assert.equal((await setup(desk(memory), '--root', '/img', '--undo', '--yes')).code, 0);
    assert.deepEqual(memory.tree(), before);
  });

  it('a file changed since stops the undo with its name; --leave keeps it', async () => {
    const memory = prepared(debian12());
    await setup(desk(memory), '--yes', ...ALL);
    memory.file(DROP_IN, 'GRUB_CMDLINE_LINUX=mine\n');
    const { code, err } = await setup(desk(memory), '--undo', '--yes');
    assert.equal(code, 1);
    assert.equal(err.at(-2), `${DROP_IN} was changed since: nothing was undone`);
    assert.equal((await setup(desk(memory), '--undo', '--yes', '--leave', DROP_IN)).code, 0);
    assert.equal(await memory.host.read(DROP_IN), 'GRUB_CMDLINE_LINUX=mine\n');
  });

  it('a command that fails on the way: told, with what was done; done again it goes on from there', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    memory.commands.set('update-grub', { exitCode: 3, stderr: 'no space' });
    const { code, err } = await setup(desk(memory), '--yes', ...ALL);
    assert.equal(code, 1);
    assert.match(
      err.at(-2) ?? '',
      /kernel-arguments failed: update-grub failed \(exit code 3\): no space; its changes could not all be taken back/,
    );
    assert.equal(err.at(-1), 'vhost-host setup --undo');
    memory.commands.delete('update-grub');
    assert.equal((await json(desk(memory), '--yes', ...ALL)).code, 0);
    assert.equal((await json(desk(memory), '--yes', ...ALL)).changed, false);
    assert.equal((await setup(desk(memory), '--undo', '--yes')).code, 0);
    assert.deepEqual(memory.tree(), before);
  });

  it('mistakes are one line and a hint', async () => {
    const cases: [string[], RegExp][] = [
      [['--guest-memory', '8'], /a size such as 8G or 512M/],
      [['--page-size', 'big'], /a size such as/],
      [['--page-size', '16M', '--guest-memory', '1G'], /no pages of 16 MiB here/],
      [['--switch-pages', '-1'], /a number of pages such as 256/],
      [['--nodes', 'x'], /node numbers such as 0 or 0-1/],
      [['--nic', 'eth9'], /^--nic eth9: there is no such network card/],
      [['--config', 'x.json'], /an absolute path/],
      [['--root', '/nothing'], /^there is no directory \/nothing$/],
      [['--root', '/etc', '--connect', 'qemu:///system'], /no libvirt to connect to/],
      [['--leave', 'x'], /--leave goes with --undo/],
    ];
    for (const [args, message] of cases) {
      const { code, err } = await setup(desk(prepared(debian12())), ...args);
      assert.deepEqual([code, err.length], [2, 2], `${args.join(' ')}: ${err.join('\n')}`);
      assert.match(err[0] ?? '', message);
    }
    const memory = prepared(debian12());
    memory.user = 1000;
    assert.equal((await setup(desk(memory), '--dry-run')).err.at(-1), 'sudo vhost-host setup');
  });

  it('last: every flag was used above', () => {
    assert.deepEqual(
      flags.unused((flag) => !flag.startsWith('setup ')),
      [],
    );
  });
});
