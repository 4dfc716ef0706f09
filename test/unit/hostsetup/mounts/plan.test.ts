import { deepEqual, equal, match } from 'node:assert/strict';
import { rootedHost } from '../../../../src/host/chroot-host.js';
import { MIB } from '../../../../src/common/bytes.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { withMounts } from '../kernel/fake.js';
import { carryOut, open, stateOf } from '../plan-support.js';
import { undoSteps } from '../../../helpers/host/steps.js';
import { DEBIAN, GUESTS, HUGE, UNIT, plain, plan, roundTrip, systemd } from './scene.js';
import { image } from '../systems.js';
import type { Host } from '../../../../src/host/host.js';
import type { MountSpec } from '../../../../src/hostsetup/mounts/spec.js';

describe('mounts: with systemd', () => {
  it('a path that has none gets a unit, is mounted, and all of it is taken back', async () => {
    const memory = systemd();
    const { steps, notes } = await roundTrip(memory, [HUGE]);
    equal(steps[0]?.current, 'not mounted; not at each start');
    match(
      steps[0]?.diff ?? '',
      /^new file \/etc\/systemd.*\n\/mnt\/huge: not mounted -> pagesize=2M,gid=64055,mode=0770\n$/s,
    );
    match(notes[0] ?? '', /^libvirt looks .* restart it/);
    const unit = await memory.host.read(UNIT);
    match(unit, /^Where=\/mnt\/huge\nType=hugetlbfs\nOptions=pagesize=2M,gid=64055,mode=0770\n/m);
    match(unit, /^ConditionPathExists=\/sys\/kernel\/mm\/hugepages\/hugepages-2048kB\n/m);
    deepEqual(memory.ran.slice(0, 3), [
      'systemctl daemon-reload',
      'systemctl enable mnt-huge.mount',
      'mount -t hugetlbfs -o pagesize=2M,gid=64055,mode=0770 hugetlbfs /mnt/huge',
    ]);
    equal(memory.entries.get('/mnt/huge')?.mode, 0o770);
  });

  it("the distribution's unit gets a drop-in when its size is wrong, and keeps its other options", async () => {
    const memory = systemd();
    memory.file('/usr/lib/systemd/system/dev-hugepages.mount', `${DEBIAN}Options=nosuid,nodev\n`);
    const { steps } = await roundTrip(memory, [GUESTS, HUGE]);
    equal(steps[0]?.current, '2 MiB, mode 0755, owner 0:0; not at each start');
    match(
      await memory.host.read('/etc/systemd/system/dev-hugepages.mount.d/vhost-host.conf'),
      /^\[Mount\]\nOptions=nosuid,nodev,pagesize=1G\n$/m,
    );
    match(
      await memory.host.read('/proc/mounts'),
      /^hugetlbfs \/dev\/hugepages hugetlbfs rw,relatime,pagesize=1G 0 0\n/,
    );
  });

  it('a mount that is right is left alone, whatever path it has', async () => {
    const memory = systemd();
    const { steps } = await plan(withMounts(memory), [
      { path: '/mnt/huge', pageSize: 2 * MIB },
      { path: '/mnt/huge', pageSize: 2 * MIB, mode: 0o755 },
    ]);
    deepEqual(open({ steps }), []);
    equal(steps[0]?.current, '/dev/hugepages by /usr/lib/systemd/system/dev-hugepages.mount');
    deepEqual(open(await plan(withMounts(memory), [HUGE])), ['hugetlbfs:/mnt/huge'], 'not for this group');
  });

  it('rights are fixed where the mount stays', async () => {
    const memory = systemd();
    const before = { ...memory.entries.get('/dev/hugepages') };
    await roundTrip(memory, [{ path: '/dev/hugepages', pageSize: 2 * MIB, owner: 5, gid: 7, mode: 0o1770 }]);
    deepEqual([before.mode, memory.entries.get('/dev/hugepages')?.mode], [0o755, 0o1770]);
    equal(memory.ran.includes('chown 5:7 /dev/hugepages'), true);
    equal(
      memory.ran.some((line) => line.startsWith('mount ')),
      false,
    );
  });

  it('by hand is not at each start: the mount stays, and gets its unit', async () => {
    const memory = systemd().dir('/mnt/huge');
    memory.file('/proc/mounts', 'none /mnt/huge hugetlbfs rw,relatime,pagesize=2M 0 0\n');
    await roundTrip(memory, [{ path: '/mnt/huge', pageSize: 2 * MIB, mode: 0o755 }, GUESTS]);
    equal(memory.entries.has(UNIT), true);
  });

  it('a line in fstab goes before the unit, and is the one that is edited', async () => {
    const fstab = (options: string): string => `none\t/mnt/huge  hugetlbfs ${options} 0 0 # of 2014\n`;
    const memory = systemd().file('/etc/fstab', fstab('noauto,pagesize=2M,size=4M,gid=64055,mode=770'));
    await roundTrip(memory, [{ ...HUGE, bytes: 512 * MIB }]);
    equal(await memory.host.read('/etc/fstab'), fstab('pagesize=2M,size=512M,gid=64055,mode=770'));
    equal(memory.entries.has(UNIT), false);
    equal(memory.ran[0], 'systemctl daemon-reload');
  });

  it('an image is prepared without mounting: what is installed there counts', async () => {
    const memory = image().file('/usr/lib/systemd/systemd', '');
    memory.link('/etc/systemd/system/local-fs.target.wants/dev-big.mount', '/etc/systemd/system/dev-big.mount');
    const host = withMounts(memory);
    const before = stateOf(memory);
    const specs = [{ ...HUGE, path: '/srv/huge' }, GUESTS];
    const { done } = await carryOut(host, () => plan(host, specs, false));
    deepEqual(done, ['hugetlbfs:/srv/huge']);
    deepEqual(memory.ran, ['systemctl enable srv-huge.mount']);
    deepEqual(open(await plan(host, specs, false)), []);
    await undoSteps(host);
    deepEqual(stateOf(memory), before);
    equal((await plan(rootedHost(memory.host, '/'), specs, false)).steps.length, 2);
  });
});

describe('mounts: without systemd', () => {
  it('fstab gets a line that is marked, and that cannot stop a start', async () => {
    const memory = plain().file('/etc/fstab', '/dev/sda1 / ext4 defaults 0 1');
    await roundTrip(memory, [HUGE, GUESTS]);
    equal(
      await memory.host.read('/etc/fstab'),
      `/dev/sda1 / ext4 defaults 0 1
# BEGIN hugetlbfs /mnt/huge (written by vhost-host; changes in here are lost)
hugetlbfs /mnt/huge hugetlbfs pagesize=2M,gid=64055,mode=0770,nofail 0 0
# END hugetlbfs /mnt/huge
# BEGIN hugetlbfs /dev/hugepages (written by vhost-host; changes in here are lost)
hugetlbfs /dev/hugepages hugetlbfs pagesize=1G,nofail 0 0
# END hugetlbfs /dev/hugepages
`,
    );
  });
});

describe('mounts: what is refused', () => {
  const refused = async (memory: MemoryHost, spec: MountSpec, code: 'SETUP_REFUSED' | 'USAGE' = 'SETUP_REFUSED') =>
    (await failure(code, plan(withMounts(memory), [spec]))).message;

  it('a path that is something else', async () => {
    const other = plain().dir('/mnt/huge').file('/proc/mounts', 'none /mnt/huge tmpfs rw 0 0\n');
    equal(await refused(other, HUGE), '/mnt/huge is a mount of tmpfs already');
    equal(await refused(plain().file('/mnt/huge', ''), HUGE), '/mnt/huge is a file, not a directory');
    match(await refused(plain().file('/mnt/huge/data', ''), HUGE), /something in it, which a mount would hide$/);
    const line = plain().file('/etc/fstab', '/dev/sdb1 /mnt/huge ext4 defaults 0 2\n');
    equal(
      await refused(line, HUGE),
      '/etc/fstab has a line for /mnt/huge that is no hugetlbfs: /dev/sdb1 /mnt/huge ext4 defaults 0 2',
    );
    const unit = systemd().file(UNIT, '[Mount]\nWhere=/mnt/huge\nType=ext4\n');
    equal(await refused(unit, HUGE), `${UNIT} mounts ext4 at /mnt/huge`);
  });

  it('a unit that is masked; options that somebody else sets stay', async () => {
    equal(await refused(systemd().file(UNIT, ''), HUGE), `${UNIT} is masked: systemd shall not mount /mnt/huge`);
    const late = '/etc/systemd/system/dev-hugepages.mount.d/zz.conf';
    const memory = systemd().file(late, '[Mount]\nOptions=pagesize=2M\n');
    const { steps, notes } = await plan(withMounts(memory), [GUESTS]);
    equal(steps[0]?.id, 'hugetlbfs:/dev/hugepages-1G');
    match(notes[0] ?? '', /zz\.conf has pages of 2 MiB; pages of 1G get \/dev\/hugepages-1G$/);
  });

  it('sizes that the kernel has not, and paths that are none', async () => {
    match(await refused(plain(), { ...HUGE, pageSize: 32 * MIB }), /no hugepages of 32 MiB \(it has: 1 GiB, 2 MiB\)$/);
    for (const path of ['huge', '/', '/mnt/', '/mnt/../etc', '/mnt/a\nb', '/mnt/%h', '/mnt//huge'])
      equal(await refused(plain(), { ...HUGE, path }, 'USAGE'), `${JSON.stringify(path)} is no path for a mount`);
  });

  it('an undo of a mount that is in use, with the reason; later it goes on', async () => {
    const memory = systemd();
    const before = stateOf(memory);
    const busy = new Set<string>();
    const host = withMounts(memory, busy);
    await carryOut(host, () => plan(host, [HUGE]));
    busy.add('/mnt/huge');
    const error = await failure('CHANGE_FAILED', undoSteps(host));
    match(error.message, /^unmount \/mnt\/huge: .*: umount: \/mnt\/huge: target is busy\./);
    equal(memory.entries.has(UNIT), true);
    busy.clear();
    await undoSteps(host);
    deepEqual(stateOf(memory), before);
  });

  it('a mount that does not come to be, and one that comes out otherwise', async () => {
    const memory = systemd();
    const nothing = { ...memory.host };
    let error = await failure(
      'CHANGE_FAILED',
      carryOut(nothing, () => plan(nothing, [HUGE])),
    );
    match(error.message, /mount ended well, but \/mnt\/huge is no mount$/);
    await undoSteps(nothing);
    const odd = withMounts(memory);
    const host: Host = {
      ...odd,
      run: async (command, args) => {
        const done = await odd.run(command, args);
        if (command === 'mount') await memory.host.chmod('/mnt/huge', 0o755);
        return done;
      },
    };
    error = await failure(
      'CHANGE_FAILED',
      carryOut(host, () => plan(host, [HUGE])),
    );
    match(error.message, /\/mnt\/huge has mode 0755 and owner 0:64055, wanted was pagesize=2M,gid=64055,mode=0770$/);
  });
});

describe('mounts: broken at every effect', () => {
  for (const late of [false, true]) {
    it(`${late ? 'killed after' : 'failing at'} each: undone, or finished and then undone`, async () => {
      const specs = [GUESTS, HUGE];
      const whole = systemd();
      await carryOut(withMounts(whole), () => plan(withMounts(whole), specs));
      equal(whole.effects > 15, true);
      for (let failAt = 1; failAt <= whole.effects; failAt++) {
        for (const finish of [false, true]) {
          const memory = systemd();
          const host = withMounts(memory);
          const before = stateOf(memory);
          Object.assign(memory, { failAt, late });
          await failure(
            'CHANGE_FAILED',
            carryOut(host, () => plan(host, specs)),
          );
          memory.failAt = undefined;
          if (finish) await carryOut(host, () => plan(host, specs));
          if (finish) deepEqual(open(await plan(host, specs)), []);
          await undoSteps(host);
          deepEqual(stateOf(memory), before, `broken at ${failAt}`);
        }
      }
    });
  }
});
