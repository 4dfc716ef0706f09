import { strict as assert } from 'node:assert';
import { CHANGES_DIR } from '../../../src/journal.js';
import { GIB, MIB } from '../../../src/sizes.js';
import { livePool, withMounts } from '../hostsetup/kernel-fake.js';
import { debian12, image, rhel9, withNic, withPool, GIB_KB } from '../hostsetup/systems.js';
import type { MemoryHost } from '../memory-host.js';
import { FakeLibvirt } from './fake-libvirt.js';
import { FlagLedger } from './flags.js';
import { Desk, parse } from './support.js';
import type { Outcome } from './support.js';

const flags = new FlagLedger();
const DROP_IN = '/etc/default/grub.d/95-vhost-host.cfg';
const SERVICE = 'vhost-host.service';
const BINARY = '/opt/vhost-host/bin/vhost-host';

const XML = (name: string, mib: number): string =>
  `<domain type='kvm'><name>${name}</name><memory unit='MiB'>${mib}</memory><devices/></domain>`;

/** A system that could be set up: with the programs that this takes, and a kernel that gives pages. */
function prepared(memory: MemoryHost): MemoryHost {
  withPool(memory, { sizeKb: GIB_KB, total: 0, nodes: [0] });
  for (const program of ['node', 'qemu-system-x86_64', 'libvirtd', 'virsh'])
    memory.file(`/usr/bin/${program}`, '', 0o755);
  memory.file('/usr/sbin/update-grub', '', 0o755).file('/etc/default/grub', 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n');
  memory.file('/usr/lib/systemd/systemd', '', 0o755).dir('/dev').dir('/mnt');
  memory.file(BINARY, '', 0o755).file('/etc/group', 'kvm:x:107:\n').dir('/run/systemd/system').dir('/var/lib');
  const nodes = [...memory.entries.keys()].flatMap((path) => /node(\d+)\/meminfo$/.exec(path)?.[1] ?? []).map(Number);
  for (const pageSize of [GIB, 2 * MIB]) livePool(memory, { pageSize, nodes });
  memory.dir('/etc/systemd/system/local-fs.target.wants').dir('/etc/systemd/system/multi-user.target.wants');
  return memory.file('/etc/fstab', '# none\n');
}

/** Its commands do what the real ones would be seen by. */
function desk(memory: MemoryHost, libvirt = new FakeLibvirt()): Desk {
  const live = withMounts(memory);
  const wants = `/etc/systemd/system/multi-user.target.wants/${SERVICE}`;
  const run: FakeLibvirt['run'] = async (command, args, options) => {
    if (command === 'virsh') return libvirt.run(command, args, options);
    if (command !== 'systemctl' || !args.includes(SERVICE)) return live.run(command, args, options);
    if (args[0] === 'enable') memory.link(wants, `/etc/systemd/system/${SERVICE}`);
    if (args[0] === 'disable') memory.entries.delete(wants);
    return memory.host.run(command, args, options);
  };
  return Object.assign(new Desk(), { fakeHost: { ...live, run } });
}

/** With a terminal: what is chosen, then whether the plan is agreed to. */
const asked = (at: Desk, replies: string[], answers: boolean[] = []): Desk => Object.assign(at, { replies, answers });

const setup = (at: Desk, ...args: string[]): Promise<Outcome> =>
  flags.run(at, 'setup', '--package-root', '/opt/vhost-host', ...args);

interface Json {
  readonly changed: boolean;
  readonly choices: Record<string, unknown>;
  readonly steps: readonly { id: string; state: string; diff: string; wanted: string }[];
  readonly notes: readonly string[];
  readonly byHand: unknown;
  readonly awaits: readonly string[];
}

async function json(at: Desk, ...args: string[]): Promise<Json & { code: number }> {
  const { code, out } = await setup(at, '--json', ...args);
  assert.equal(out.length, 1, out.join('\n'));
  return { ...(parse(out[0]) as unknown as Json), code };
}

const states = ({ steps }: Json): Record<string, string> =>
  Object.fromEntries(steps.map(({ id, state }) => [id, state]));

const ALL = ['--guest-memory', '2G', '--page-size', '1G', '--switch-pages', '16', '--nic', 'none', '--boot'];

describe('setup on the command line: the wizard', () => {
  it('tells what it found, asks, proposes the memory of the domains, shows, asks again, does', async () => {
    const libvirt = new FakeLibvirt();
    for (const name of ['web', 'db']) libvirt.add(name, XML(name, 1024));
    const at = asked(desk(prepared(debian12()), libvirt), ['', '1G', '20', 'yes'], [true]);
    const { code, out, err } = await setup(at);
    assert.equal(code, 0, err.join('\n'));
    assert.deepEqual(at.questions, [
      'Memory for guests [2G]',
      "Pages of guests' memory [1G]",
      '2 MB pages for the switch [256]',
      'Start the switch at every boot? [yes]',
      'Change the host so?',
    ]);
    const said = err.join('\n');
    assert.match(said, /^system: Debian GNU\/Linux 12 \(bookworm\), kernel 6\.1\.0-18-amd64$/m);
    assert.match(said, /^kernel arguments: in \/etc\/default\/grub\.d, by update-grub$/m);
    assert.match(said, /^libvirt: 2 domains, 2 GiB together$/m);
    assert.match(said, /^ {4}\+GRUB_CMDLINE_LINUX=.*hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=20"$/m);
    assert.match(out[0] ?? '', /^\d changes made; vhost-host setup --undo takes them back$/);
    assert.match(out.join('\n'), /^a reboot brings the kernel with default_hugepagesz=1G /m);
  });

  it('a card is offered with driver, VMDQ and what the host would lose; one in use cannot be chosen', async () => {
    const memory = prepared(rhel9());
    const at = asked(desk(memory), ['0', '0', '^C']);
    const context = at.context([], []);
    const shown: string[] = [];
    const spy = Object.assign(new Desk(), { fakeHost: at.fakeHost, answers: [], replies: ['0', '0', '^C'] });
    const ask = spy.context.bind(spy);
    spy.context = (out, err) => ({
      ...ask(out, err),
      ask: (question) => {
        if (question.kind === 'choice')
          shown.push(...question.choices.map(({ label, barred = '' }) => `${label} | ${barred}`));
        return context.ask(question);
      },
    });
    assert.equal((await setup(spy)).code, 1);
    assert.deepEqual(shown.slice(0, 3), [
      'none: guests talk to each other | ',
      '0000:03:00.0 ens3f0 ixgbe VMDQ | ',
      '0000:03:00.1 vfio-pci VMDQ unknown | ',
    ]);
    assert.match(shown[3] ?? '', /^0000:04:00\.0 eno1 igb VMDQ \| .* on br0/);
  });

  for (const [when, replies] of Object.entries({
    'the first question': ['^C'],
    'the last one': ['2G', '2M', '16', '^C'],
  })) {
    it(`Ctrl-C at ${when} changes nothing and says so`, async () => {
      const memory = prepared(debian12());
      const before = memory.tree();
      const { code, out, err } = await setup(asked(desk(memory), replies));
      assert.deepEqual([code, out, err.at(-1)], [1, [], 'cancelled: nothing was changed']);
      assert.deepEqual(memory.tree(), before);
    });
  }

  it('a no to the plan changes nothing and says so', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    const { code, err } = await setup(asked(desk(memory), [], [false]), ...ALL, '--no-install');
    assert.deepEqual([code, err.at(-1)], [1, 'cancelled: nothing was changed']);
    assert.deepEqual(memory.tree(), before);
  });

  it('every question has a flag that answers it', async () => {
    const at = asked(desk(prepared(debian12())), [], [true]);
    assert.equal((await setup(at, ...ALL)).code, 0);
    assert.deepEqual(at.questions, ['Change the host so?']);
  });
});

describe('setup on the command line: for programs', () => {
  it('--yes takes the proposals; done twice it changes nothing; --undo leaves everything as it was', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    const first = await json(desk(memory), '--yes', ...ALL);
    assert.deepEqual([first.code, first.changed], [0, true]);
    assert.ok(Object.values(states(first)).every((state) => state === 'done' || state === 'as wanted'));
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
    const plan = await json(desk(memory), '--dry-run', ...ALL);
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
    assert.match(out.join('\n'), /^by hand: nixos builds.*\n {4}boot\.kernelParams = \[ "default_hugepagesz=1G"/m);
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
    const more = ['--nodes', '0-1', '--cuse', '--config', '/etc/vhost-host/switch.json', '--connect', 'qemu:///session'];
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

  it('--root prepares an image: nothing of the running system is touched or asked', async () => {
    const libvirt = new FakeLibvirt();
    const memory = debian12();
    for (const [path, entry] of prepared(image()).entries) memory.entries.set(path === '/' ? '/img' : `/img${path}`, entry);
    for (const path of [...memory.entries.keys()]) if (/^\/img\/(sys|run)\b/.test(path)) memory.entries.delete(path);
    const before = memory.tree();
    const args = ['--root', '/img', '--guest-memory', '1G', '--page-size', '1G', '--no-boot'];
    const done = await json(desk(memory, libvirt), ...args, '--yes');
    assert.equal(done.code, 0, JSON.stringify(done));
    const changed = Object.entries(memory.tree()).filter(([path, text]) => before[path] !== text);
    assert.deepEqual(changed.filter(([path]) => !path.startsWith('/img')), []);
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
    assert.match(err.at(-2) ?? '', /kernel-arguments failed: update-grub failed \(exit code 3\): no space$/);
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
