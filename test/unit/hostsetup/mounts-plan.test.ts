import { deepEqual, equal, match } from 'node:assert/strict';
import type { Host } from '../../../src/host.js';
import { planMounts } from '../../../src/hostsetup/mounts-plan.js';
import type { MountWish } from '../../../src/hostsetup/mounts-plan.js';
import type { PartPlan } from '../../../src/hostsetup/plan-part.js';
import { rootedHost } from '../../../src/rooted-host.js';
import { GIB, MIB } from '../../../src/sizes.js';
import type { MemoryHost } from '../memory-host.js';
import { failure } from '../switch/support.js';
import { withMounts } from './kernel-fake.js';
import { carryOut, open, stateOf } from './plan-support.js';
import { undoSteps } from '../../helpers/steps.js';
import { GIB_KB, debian12, image, withPool } from './systems.js';

const HUGE: MountWish = { path: '/mnt/huge', pageSize: 2 * MIB, gid: 64055, mode: 0o770 };
const GUESTS: MountWish = { path: '/dev/hugepages', pageSize: GIB };
const UNIT = '/etc/systemd/system/mnt-huge.mount';
const DEBIAN =
  '[Unit]\nDescription=Huge Pages File System\n[Mount]\nWhat=hugetlbfs\nWhere=/dev/hugepages\nType=hugetlbfs\n';

/** Without systemd, `/mnt` and `/dev` there, pages of both sizes. */
function plain(): MemoryHost {
  return withPool(debian12(), { sizeKb: GIB_KB, total: 0 }).dir('/mnt').dir('/dev').dir('/etc');
}

/** As Debian starts it: its own unit has mounted /dev/hugepages with pages of the default size. */
function systemd(): MemoryHost {
  const memory = plain()
    .dir('/run/systemd/system')
    .dir('/etc/systemd/system/local-fs.target.wants')
    .dir('/dev/hugepages');
  memory.file('/usr/lib/systemd/system/dev-hugepages.mount', DEBIAN);
  return memory.file('/proc/mounts', 'hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n');
}

const plan = (host: Host, mounts: readonly MountWish[], now = true): Promise<PartPlan> =>
  planMounts(host, { mounts, now });

async function roundTrip(memory: MemoryHost, mounts: readonly MountWish[]): Promise<PartPlan> {
  const host = withMounts(memory);
  const before = stateOf(memory);
  const planned = await plan(host, mounts);
  await carryOut(host, () => Promise.resolve(planned));
  deepEqual(open(await plan(host, mounts)), [], 'planned again');
  const after = stateOf(memory);
  await undoSteps(host);
  deepEqual(stateOf(memory), before);
  await carryOut(host, () => plan(host, mounts));
  deepEqual(stateOf(memory), after);
  return planned;
}

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

  it('rights are mended where the mount stays', async () => {
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

  it("another program's mount keeps its pages and its rights: the wish gets a path of its own", async () => {
    const line = 'nodev /mnt/huge hugetlbfs pagesize=1GB 0 0\n';
    const foreign: readonly ((memory: MemoryHost) => MemoryHost)[] = [
      (memory) => memory.file('/etc/fstab', line),
      (memory) => memory.file('/etc/fstab', 'nodev /mnt/huge hugetlbfs pagesize=2M 0 0\n'),
      (memory) => memory.file('/etc/fstab', 'nodev /mnt/huge hugetlbfs pagesize=2M,gid=64055,mode=0770,ro 0 0\n'),
      (memory) => memory.file(UNIT, '[Mount]\nWhere=/mnt/huge\nType=hugetlbfs\nOptions=pagesize=1G\n'),
      (memory) => memory.file(UNIT, '[Mount]\nType=hugetlbfs\nOptions=pagesize=2M,gid=64055,mode=0770\n'),
      (memory) =>
        memory.dir('/mnt/huge').file('/proc/mounts', 'none /mnt/huge hugetlbfs rw,relatime,pagesize=1024M 0 0\n'),
    ];
    for (const [i, prepare] of foreign.entries()) {
      const memory = prepare(systemd());
      const before = stateOf(memory);
      const { steps, notes } = await roundTrip(memory, [HUGE]);
      equal(steps[0]?.id, 'hugetlbfs:/mnt/huge-2M', String(i));
      match(notes[0] ?? '', /^\/mnt\/huge is somebody else's, and stays: .*; pages of 2M get \/mnt\/huge-2M$/);
      const after = stateOf(memory);
      for (const path of ['/etc/fstab', UNIT, '/mnt/huge']) equal(after[path], before[path], path);
    }
    const both = systemd().file('/etc/fstab', line + line.replace('/mnt/huge', '/mnt/huge-2M'));
    match((await failure('SETUP_REFUSED', plan(withMounts(both), [HUGE]))).message, /so is \/mnt\/huge-2M: /);
  });

  it("another program's mount that is right is used, once it is there at each start", async () => {
    const text =
      '[Mount]\nType=hugetlbfs\nOptions=pagesize=2048K,gid=64055,mode=0770\n[Install]\nWantedBy=multi-user.target\n';
    const name = 'srv-my\\x2dpages.mount';
    const wish = { ...HUGE, path: '/srv/my-pages' };
    const memory = systemd().dir('/srv').file(`/etc/systemd/system/${name}`, text);
    const { steps } = await roundTrip(memory, [wish]);
    deepEqual(steps[0]?.actions[0], {
      kind: 'run',
      command: ['systemctl', 'enable', name],
      undo: ['systemctl', 'disable', name],
    });
    const linked = systemd().dir('/srv/my-pages').file(`/etc/systemd/system/${name}`, text);
    linked.file('/proc/mounts', 'none /srv/my-pages hugetlbfs rw,gid=64055,mode=770,pagesize=2M 0 0\n');
    Object.assign(linked.entries.get('/srv/my-pages') ?? {}, { gid: 64055, mode: 0o770 });
    linked.link(`/etc/systemd/system/dpdk.service.requires/${name}`, `/etc/systemd/system/${name}`);
    const used = await plan(withMounts(linked), [HUGE]);
    equal(used.steps[0]?.current, `/srv/my-pages by /etc/systemd/system/${name}`);
  });

  it('a mount without a size has the default of the next start, not of this one', async () => {
    const memory = systemd().file('/etc/fstab', 'none /mnt/huge hugetlbfs gid=64055,mode=0770 0 0\n');
    const at = async (line: string): Promise<string | undefined> =>
      (await planMounts(withMounts(memory), { mounts: [HUGE], now: false, line })).steps[0]?.id;
    equal(await at('quiet'), 'hugetlbfs:/mnt/huge');
    equal(await at('default_hugepagesz=1G hugepages=4'), 'hugetlbfs:/mnt/huge-2M');
  });

  it('an image is prepared without mounting: what is installed there counts', async () => {
    const memory = image().file('/usr/lib/systemd/systemd', '');
    memory.link('/etc/systemd/system/local-fs.target.wants/dev-big.mount', '/etc/systemd/system/dev-big.mount');
    const host = withMounts(memory);
    const before = stateOf(memory);
    const wishes = [{ ...HUGE, path: '/srv/huge' }, GUESTS];
    const { done } = await carryOut(host, () => plan(host, wishes, false));
    deepEqual(done, ['hugetlbfs:/srv/huge']);
    deepEqual(memory.ran, ['systemctl enable srv-huge.mount']);
    deepEqual(open(await plan(host, wishes, false)), []);
    await undoSteps(host);
    deepEqual(stateOf(memory), before);
    equal((await plan(rootedHost(memory.host, '/'), wishes, false)).steps.length, 2);
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
  const refused = async (memory: MemoryHost, wish: MountWish, code: 'SETUP_REFUSED' | 'USAGE' = 'SETUP_REFUSED') =>
    (await failure(code, plan(withMounts(memory), [wish]))).message;

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
      const wishes = [GUESTS, HUGE];
      const whole = systemd();
      await carryOut(withMounts(whole), () => plan(withMounts(whole), wishes));
      equal(whole.effects > 15, true);
      for (let failAt = 1; failAt <= whole.effects; failAt++) {
        for (const finish of [false, true]) {
          const memory = systemd();
          const host = withMounts(memory);
          const before = stateOf(memory);
          Object.assign(memory, { failAt, late });
          await failure(
            'CHANGE_FAILED',
            carryOut(host, () => plan(host, wishes)),
          );
          memory.failAt = undefined;
          if (finish) await carryOut(host, () => plan(host, wishes));
          if (finish) deepEqual(open(await plan(host, wishes)), []);
          await undoSteps(host);
          deepEqual(stateOf(memory), before, `broken at ${failAt}`);
        }
      }
    });
  }
});
