import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { debian, withApparmor } from '../../libvirt/support.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { debian12, fedora20, withPool } from '../../hostsetup/systems.js';
import { FakeBridge } from '../../switch/fake-bridge.js';
import { withDir } from '../../switch/support.js';
import { FakeLibvirt } from '../fake-libvirt.js';
import { FlagLedger } from '../flags.js';
import { Desk, parse, withSwitch } from '../support.js';
import type { Outcome } from '../support.js';

const flags = new FlagLedger();
const CONF = '/etc/libvirt/qemu.conf';

interface Json {
  readonly checks: readonly {
    id: string;
    group: string;
    title: string;
    state: string;
    reason: string;
    fix?: string;
  }[];
  readonly errors: number;
  readonly warnings: number;
}

const XML = (more: string): string => `<domain type='kvm'>
  <name>web</name>
  <memory unit='MiB'>256</memory>
  <memoryBacking>${more}</memoryBacking>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='vhostuser'><source type='unix' path='/run/ovs/x' mode='client'/></interface>
  </devices>
</domain>`;

/** A host in memory with libvirt's files; its commands are virsh. */
function withLibvirt(memory: MemoryHost, libvirt: FakeLibvirt): Desk {
  for (const [path, entry] of withApparmor(debian()).entries)
    if (!memory.entries.has(path)) memory.entries.set(path, entry);
  memory.file('/etc/passwd', 'root:x:0:0::/:\nlibvirt-qemu:x:64055:107::/:\n').file('/etc/group', 'kvm:x:107:\n');
  memory.special('/dev/kvm', 'character', 0o660, { gid: 107 });
  const run: FakeLibvirt['run'] = (command, args) =>
    command === 'virsh' ? libvirt.run(command, args) : Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
  return Object.assign(new Desk(), { fakeHost: { ...memory.host, run } });
}

const desk = (memory: MemoryHost): Desk => Object.assign(new Desk(), { fakeHost: memory.host });

async function check(at: Desk, runDir: string, ...args: string[]): Promise<Outcome> {
  return flags.run(at, 'check', '--run-dir', runDir, ...args);
}

async function json(at: Desk, runDir: string, ...args: string[]): Promise<Json & { code: number }> {
  const { code, out } = await check(at, runDir, '--json', ...args);
  assert.equal(out.length, 1);
  return { ...(parse(out[0]) as unknown as Json), code };
}

const of = ({ checks }: Json, id: string): string[] =>
  checks.filter((one) => one.id === id).map(({ state, reason }) => `${state} ${reason}`);

describe('check on the command line', () => {
  it('groups what it finds, each with state and reason, and what is amiss with a command', () =>
    withDir(async (dir) => {
      const { code, out, err } = await check(desk(debian12()), join(dir, 'none'));
      assert.deepEqual([code, err], [1, []]);
      assert.deepEqual(out.slice(0, 7), [
        'system',
        '  ok       system: Debian GNU/Linux 12 (bookworm), kernel 6.1.0-18-amd64',
        '  ok       free memory: 12 GiB of 16 GiB available',
        '',
        'hugepages',
        '  warning  reserved: none reserved (this kernel has 2 MiB): guests get ordinary pages',
        '           fix: sudo vhost-host setup',
      ]);
      assert.deepEqual(
        out.filter((line) => /^\S/.test(line)),
        ['system', 'hugepages', 'kernel', 'network cards', 'libvirt', 'leftovers', '0 errors, 1 warning'],
      );
    }));

  it('ends with 0 where nothing is amiss, and says so', () =>
    withDir(async (dir) => {
      const memory = withPool(debian12(), { sizeKb: 2048, total: 512, nodes: [512] });
      memory.file('/proc/mounts', 'none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n');
      const { code, out } = await check(desk(memory), join(dir, 'none'));
      assert.deepEqual([code, out.at(-1)], [0, 'everything is in place']);
    }));

  it('--json is one object, and errors end with 2', () =>
    withDir(async (dir) => {
      const memory = debian12('hugepagesz=16M hugepages=2');
      const answer = await json(desk(memory), join(dir, 'none'));
      assert.deepEqual([answer.code, answer.errors, answer.warnings], [2, 1, 1]);
      const found = answer.checks.find(({ state }) => state === 'error');
      assert.deepEqual([found?.id, found?.group, found?.fix], ['hugepages-boot', 'hugepages', 'sudo vhost-host setup']);
    }));

  it('asks libvirt for its domains: what they need, and what vm check finds in them', () =>
    withDir(async (dir) => {
      const libvirt = new FakeLibvirt();
      const memory = withPool(debian12(), { sizeKb: 2048, total: 100, nodes: [100] });
      libvirt.add('web', XML('<hugepages/>'));
      libvirt.add('gone', XML(''), { persistent: false });
      const answer = await json(withLibvirt(memory, libvirt), join(dir, 'none'), '--connect', 'qemu:///session');
      assert.equal(answer.code, 2);
      assert.deepEqual(of(answer, 'hugepages-demand'), ['error web needs 128 of 2 MiB, 100 are free']);
      assert.match(of(answer, 'guests').join('\n'), /^error web: memory of the guest is not shared/m);
      assert.match(of(answer, 'guests').join('\n'), /^info gone could not be looked at: gone is transient/m);
      assert.doesNotMatch(of(answer, 'guests').join('\n'), /hugepages of/);
      assert.deepEqual(of(answer, 'device-access'), ['ok libvirt-qemu may use /dev/kvm']);
      assert.deepEqual(of(answer, 'apparmor'), ['info on, and without our rules qemu-wrap would be stopped']);
      assert.equal(libvirt.calls[0]?.[1], 'qemu:///session');
    }));

  it('without libvirt’s daemon, or without virsh, the rest is looked at all the same', () =>
    withDir(async (dir) => {
      const libvirt = Object.assign(new FakeLibvirt(), {
        broken: 'error: failed to connect to the hypervisor\nerror: x',
      });
      const memory = debian12().file('/usr/sbin/libvirtd', '');
      const answer = await json(withLibvirt(memory, libvirt), join(dir, 'none'));
      assert.match(of(answer, 'libvirt')[0] ?? '', /^warning libvirt does not answer .*domains are not looked at$/);
      assert.deepEqual(of(answer, 'guests'), []);
      const removed = await json(withLibvirt(debian12(), libvirt), join(dir, 'none'));
      assert.match(of(removed, 'libvirt')[0] ?? '', /^info libvirt is not installed: .*domains are not looked at$/);
      libvirt.installed = false;
      const without = await json(withLibvirt(debian12(), libvirt), join(dir, 'none'));
      assert.match(of(without, 'libvirt')[0] ?? '', /^info virsh is not installed/);
    }));

  it('devices of the switch: allowed, and open to the QEMU user', () =>
    withDir(async (dir) => {
      const memory = debian12().special('/dev/usvhost-2', 'character', 0o600).file('/dev/usvhost-9', 'no device');
      const answer = await json(withLibvirt(memory, new FakeLibvirt()), join(dir, 'none'));
      assert.deepEqual(of(answer, 'cgroup-acl'), [
        'error /dev/usvhost-2: neither allowed to guests (cgroup) nor in their private /dev',
      ]);
      assert.match(of(answer, 'device-access')[1] ?? '', /^error \/dev\/usvhost-2: user libvirt-qemu may not write/);
    }));

  it('devices of the switch by the name that it gives them', () =>
    withDir(async (dir) => {
      const bridge = await FakeBridge.start(dir);
      try {
        await withSwitch(dir, ['--dev-basename', 'vh'], async (running) => {
          const added = await running.run('ports', 'add', 'a', '--transports', 'cuse', '--run-dir', dir);
          assert.equal(added.code, 0);
          const memory = debian12().special('/dev/vh-1', 'character', 0o600).special('/dev/vh-2', 'character', 0o600);
          const answer = await json(withLibvirt(memory, new FakeLibvirt()), dir);
          assert.match(of(answer, 'device-access').join('\n'), /^error \/dev\/vh-1: user libvirt-qemu may not write/m);
          assert.doesNotMatch(of(answer, 'device-access').join('\n'), /vh-2/);
        });
      } finally {
        await bridge.stop();
      }
    }));

  it('a qemu.conf that libvirt cannot read is found, and stops nothing', () =>
    withDir(async (dir) => {
      const memory = debian12().file(CONF, 'cgroup_device_acl = [ # what\n"/dev/null" ]\n');
      const answer = await json(withLibvirt(memory, new FakeLibvirt()), join(dir, 'none'));
      assert.match(of(answer, 'cgroup-acl')[0] ?? '', /^error \/etc\/libvirt\/qemu\.conf, line 1: /);
    }));

  it('rules that are installed are seen', () =>
    withDir(async (dir) => {
      const memory = debian12().file('/usr/bin/qemu-wrap', '', 0o755);
      const at = withLibvirt(memory, new FakeLibvirt());
      assert.match(of(await json(at, join(dir, 'none')), 'apparmor')[0] ?? '', /^warning .*qemu-wrap is stopped/);
      memory.file('/etc/apparmor.d/local/abstractions/libvirt-qemu', '  /usr/bin/qemu-wrap rmix,\n');
      assert.deepEqual(of(await json(at, join(dir, 'none')), 'apparmor'), ['ok on, with our rules']);
      memory
        .file('/sys/fs/selinux/enforce', '1')
        .file('/var/lib/selinux/targeted/active/modules/400/vhost_host/cil', '');
      assert.deepEqual(of(await json(at, join(dir, 'none')), 'selinux'), ['ok enforcing, with our rules']);
    }));

  it('sockets that a switch left are found, those of one that runs are not', () =>
    withDir(async (dir) => {
      const runDir = join(dir, 'none');
      const memory = debian12().special(`${runDir}/port-a.sock`, 'socket').file(`${runDir}/port-b.sock`, 'no socket');
      const left = await json(desk(memory), runDir);
      assert.match(of(left, 'leftover-sockets')[0] ?? '', /^warning 1 left in /);
      await withSwitch(join(dir, 'run'), [], async () => {
        const answer = await json(desk(debian12()), join(dir, 'run'));
        assert.deepEqual(of(answer, 'leftover-sockets'), [`ok a switch runs in ${join(dir, 'run')}`]);
      });
    }));

  it('--root looks at that system, asks no libvirt and no switch, and wants a directory', () =>
    withDir(async (dir) => {
      const libvirt = new FakeLibvirt();
      const memory = debian12();
      for (const [path, entry] of fedora20().entries) memory.entries.set(path === '/' ? '/img' : `/img${path}`, entry);
      const at = withLibvirt(memory, libvirt);
      memory.file(`/img${CONF}`, '');
      const answer = await json(at, join(dir, 'none'), '--root', '/img');
      assert.match(of(answer, 'system')[0] ?? '', /Fedora 20/);
      assert.deepEqual(of(answer, 'libvirt'), ['info below --root only its files are looked at']);
      assert.deepEqual(libvirt.calls, []);
      assert.equal((await check(at, dir, '--root', '/nothing')).code, 2);
      assert.equal((await check(at, dir, '--root', '/img', '--connect', 'qemu:///system')).code, 2);
    }));

  it('changes nothing', () =>
    withDir(async (dir) => {
      const memory = fedora20();
      const before = memory.tree();
      await check(desk(memory), join(dir, 'none'));
      assert.deepEqual([memory.tree(), memory.effects], [before, 0]);
    }));

  it('last: every flag was used above', () => {
    assert.deepEqual(
      flags.unused((flag) => !flag.startsWith('check ')),
      [],
    );
  });
});
