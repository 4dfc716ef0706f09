import { deepEqual, equal, match } from 'node:assert/strict';
import { planMounts } from '../../../../src/hostsetup/mounts/plan.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { withMounts } from '../kernel/fake.js';
import { HUGE, UNIT, plan, roundTrip, systemd } from './scene.js';
import { stateOf } from '../plan-support.js';

describe('mounts: whose path it is', () => {
  it("another program's mount keeps its pages and its rights: the spec gets a path of its own", async () => {
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
    const spec = { ...HUGE, path: '/srv/my-pages' };
    const memory = systemd().dir('/srv').file(`/etc/systemd/system/${name}`, text);
    const { steps } = await roundTrip(memory, [spec]);
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
});
