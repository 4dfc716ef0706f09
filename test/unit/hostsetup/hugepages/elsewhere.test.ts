import { deepEqual, equal, match } from 'node:assert/strict';
import { readHostFacts } from '../../../../src/hostsetup/facts/index.js';
import { Look } from '../../../../src/host/tolerant-reader.js';
import { keepDefaultSize } from '../../../../src/hostsetup/kernel/default-hugepagesz.js';
import { elsewhereNote, findPagesElsewhere } from '../../../../src/hostsetup/hugepages/at-boot/elsewhere.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { debian12 } from '../systems.js';

const places = async (memory: MemoryHost): Promise<string[]> =>
  (await findPagesElsewhere(new Look(memory.host))).map(({ path, line }) => `${path}:${line}`);

describe('hugepages that scripts and units set', () => {
  it('are found with file and line, and named', async () => {
    const memory = debian12()
      .file('/etc/rc.local', '#!/bin/sh\n# nr_hugepages is for later\necho 512 > /proc/sys/vm/nr_hugepages\n')
      .file('/etc/systemd/system/pages.service', '[Service]\nExecStart=/bin/sh -c "echo 4 > /sys/x/nr_hugepages"\n')
      .file('/usr/lib/systemd/system/db.service.d/10.conf', '[Service]\nExecStartPre=hugeadm --pool-pages-min 2M:64\n')
      .file('/etc/tuned/active_profile', 'my-db\n')
      .file('/etc/tuned/my-db/tuned.conf', '[sysctl]\nvm.nr_hugepages=900\n')
      .file('/etc/tuned/other/tuned.conf', '[sysctl]\nvm.nr_hugepages=900\n')
      .file('/etc/dpdk/dpdk.conf', '# NR_1G_PAGES=1\nNR_2M_PAGES=64\n')
      .file('/etc/pve/qemu-server/100.conf', 'cores: 4\nhugepages: 1024\n')
      .file('/usr/local/sbin/up', '#!/bin/sh\ndpdk-hugepages.py --setup 2G\n')
      .link('/etc/init.d/up', '/usr/local/sbin/up')
      .file('/usr/lib/systemd/system/quiet.service', '[Service]\nExecStart=/bin/true\n');
    deepEqual((await places(memory)).sort(), [
      '/etc/dpdk/dpdk.conf:2',
      '/etc/init.d/up:2',
      '/etc/pve/qemu-server/100.conf:2',
      '/etc/rc.local:3',
      '/etc/systemd/system/pages.service:2',
      '/etc/tuned/my-db/tuned.conf:2',
      '/usr/lib/systemd/system/db.service.d/10.conf:2',
    ]);
    const [first] = await findPagesElsewhere(new Look(memory.host));
    match(first === undefined ? '' : elsewhereNote(first), /^\/etc\/rc\.local:3 sets hugepages too, .*: echo 512 > /);
    deepEqual(await places(debian12()), []);
  });
});

describe('the default size of pages', () => {
  const SPEC = { hugepages: { defaultSize: '1G', pools: [{ size: '1G', count: 8 }] } };
  const kept = async (memory: MemoryHost): Promise<string> => {
    const { spec, notes } = await keepDefaultSize(memory.host, await readHostFacts(new Look(memory.host)), SPEC);
    const same = spec?.hugepages !== undefined && spec.hugepages !== 'none' && spec.hugepages.defaultSize === '1G';
    equal(same, notes.length === 0);
    return notes.join();
  };
  const systemd = (): MemoryHost => debian12().dir('/run/systemd/system');

  it('stays where somebody means it without saying so: a number of another size could take all memory', async () => {
    equal(await kept(systemd()), '');
    const sysctl = systemd().file('/etc/sysctl.d/db.conf', 'vm.nr_hugepages = 1024\n');
    equal(
      await kept(sysctl),
      'the default size of pages stays 2M, because /etc/sysctl.d/db.conf:1 means it without saying so',
    );
    const written = systemd().file('/etc/tmpfiles.d/db.conf', 'w /proc/sys/vm/nr_hugepages - - - - 64\n');
    match(await kept(written), /db\.conf:1/);
    match(await kept(systemd().file('/etc/rc.local', 'sysctl -w vm.nr_hugepages=64\n')), /rc\.local:1/);
    const mount = systemd().file('/etc/fstab', 'none /mnt/db hugetlbfs defaults 0 0\n');
    match(await kept(mount), /\/etc\/fstab \(\/mnt\/db\)/);
  });

  it('is changed where nobody does, or has been changed already', async () => {
    const unit = systemd().file('/usr/lib/systemd/system/dev-hugepages.mount', '[Mount]\nType=hugetlbfs\n');
    equal(await kept(unit.file('/etc/fstab', 'none /mnt/db hugetlbfs pagesize=2M 0 0\n')), '');
    const changed = debian12('quiet default_hugepagesz=1G').dir('/run/systemd/system');
    equal(await kept(changed.file('/etc/sysctl.d/db.conf', 'vm.nr_hugepages = 8\n')), '');
  });
});
