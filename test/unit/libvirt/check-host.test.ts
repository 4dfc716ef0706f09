import { strict as assert } from 'node:assert';
import { qemuIdentity, socketTrouble } from '../../../src/libvirt/install/qemu-user.js';
import { confValue } from '../../../src/libvirt/qemu-conf/value.js';
import { gatherFacts } from '../../../src/libvirt/checks/facts.js';
import { readDomain } from '../../../src/libvirt/domain/domain.js';
import { XmlDocument } from '../../../src/libvirt/xml/document.js';
import { fakeHost } from '../switch/support.js';
import { ours } from './domain-support.js';
import type { FileStat } from '../../../src/host/host.js';

const program: FileStat = { kind: 'file', mode: 0o755, uid: 0, gid: 0, size: 1, ctimeMs: 1000 };

const I686 = `<domain type='qemu'>
  <name>d</name>
  <memory>262144</memory>
  <os><type arch='i686'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-wrap</emulator>
    <interface type='vhostuser'><source type='unix' path='/run/vhost-host/port-p.sock' mode='client'/></interface>
  </devices>
</domain>`;

const PASSWD = 'root:x:0:0::/:/bin/sh\nlibvirt-qemu:x:64055:107::/:/bin/sh\nbob:x:1000:1000::/:/bin/sh\n';
const GROUP = 'root:x:0:\nkvm:x:107:\nswitch:x:200:libvirt-qemu,bob\nbob:x:1000:\n';
const etc = { '/etc/passwd': PASSWD, '/etc/group': GROUP };

describe('vm check: the QEMU user', () => {
  const identity = (conf: string, label?: string): ReturnType<typeof qemuIdentity> =>
    qemuIdentity(fakeHost({ files: etc }), conf, label);

  it('by default, by qemu.conf, by the domain', async () => {
    assert.deepEqual(await identity(''), { name: 'libvirt-qemu', uid: 64055, gids: [107, 200] });
    assert.deepEqual(await identity('#user = "root"\nuser = "bob"\ngroup = "kvm"\n'), {
      name: 'bob',
      uid: 1000,
      gids: [107, 1000, 200],
    });
    assert.deepEqual(await identity('user = "+0"\n'), { name: 'root', uid: 0, gids: [0] });
    assert.deepEqual(await identity('user = "bob"', '+64055:+5'), {
      name: 'libvirt-qemu',
      uid: 64055,
      gids: [5, 107, 200],
    });
    assert.equal((await qemuIdentity(fakeHost({ files: {} }), '', undefined)).name, 'root');
  });

  it('a number that has no name is itself, not root', async () => {
    assert.deepEqual(await identity('user = "+77"\ngroup = "+5"\n'), { name: '+77', uid: 77, gids: [5] });
    assert.deepEqual(await identity('', '77:5'), { name: '77', uid: 77, gids: [5] });
  });

  it('qemu.conf: the value, not the comment', () => {
    assert.equal(confValue(' user="a" # why\n', 'user'), 'a');
    assert.equal(confValue('# user = "a"\nsuperuser = "b"\n', 'user'), undefined);
    assert.equal(confValue("n = 5\nuser = 'c'", 'user'), 'c');
  });

  it('may enter the directories and write to the socket, or not', async () => {
    const dir = (mode: number, gid = 0): FileStat => ({ ...program, kind: 'directory', mode, gid });
    const socket = (mode: number, gid = 0, uid = 0): FileStat => ({ ...program, kind: 'socket', mode, gid, uid });
    const trouble = async (run: FileStat, port?: FileStat, conf = ''): Promise<string | undefined> => {
      const stats = { '/': dir(0o755), '/r': run, ...(port === undefined ? {} : { '/r/s': port }) };
      return socketTrouble(fakeHost({ stats }), '/r/s', await identity(conf));
    };
    assert.equal(await trouble(dir(0o750, 107), socket(0o660, 107)), undefined);
    assert.equal(await trouble(dir(0o750, 200), socket(0o602)), undefined);
    assert.equal(await trouble(dir(0o750), socket(0o666)), 'user libvirt-qemu may not enter /r');
    assert.equal(await trouble(dir(0o755), socket(0o600)), 'user libvirt-qemu may not write to it');
    assert.equal(await trouble(dir(0o755), socket(0o066, 0, 64055)), 'user libvirt-qemu may not write to it');
    assert.equal(await trouble(dir(0o700), socket(0o600), 'user = "root"'), undefined);
    assert.equal(await trouble(dir(0o755)), 'it does not exist');
    assert.equal(await trouble(dir(0o755), dir(0o777)), 'it is no socket');
    const missing = await socketTrouble(fakeHost({ stats: { '/': dir(0o755) } }), '/r/s', await identity(''));
    assert.equal(missing, '/r does not exist');
  });
});

describe('vm check: facts of the host', () => {
  it('are read from where they are', async () => {
    const pages = '/sys/kernel/mm/hugepages/hugepages-2048kB';
    const node = '/sys/devices/system/node/node1/hugepages/hugepages-2048kB';
    const files = {
      ...etc,
      '/proc/meminfo': 'Hugepagesize:    2048 kB\n',
      [`${pages}/free_hugepages`]: '7\n',
      [`${pages}/resv_hugepages`]: '3\n',
      [`${pages}/nr_hugepages`]: '9\n',
      [`${pages}/nr_overcommit_hugepages`]: '5\n',
      [`${pages}/surplus_hugepages`]: '2\n',
      [`${node}/free_hugepages`]: '5\n',
      [`${node}/nr_hugepages`]: '6\n',
      '/sys/module/apparmor/parameters/enabled': 'Y\n',
      '/etc/libvirt/qemu.conf': 'memory_backing_dir = "/m"\n',
    };
    const calls: string[] = [];
    const host = {
      ...fakeHost({ files, stats: { '/usr/bin/qemu-system-i386': program } }),
      run: (command: string, args: readonly string[]) => {
        calls.push([command, ...args].join(' '));
        const gone = args.at(-1) === '/m';
        return Promise.resolve({
          exitCode: gone ? 1 : 0,
          stdout: command === 'stat' ? 'xfs\n' : 'QEMU emulator version 8.2.1',
          stderr: '',
        });
      },
    };
    const domain = readDomain(XmlDocument.parse(I686));
    const facts = await gatherFacts(host, domain, {
      running: false,
      ports: [],
      ours,
      sharers: new Map(),
      realEmulator: undefined,
    });
    assert.deepEqual(facts.pools.pools, [
      { pageSize: 2 ** 21, free: 4, total: 9, onDemand: 3, nodes: new Map([[1, { free: 5, total: 6 }]]) },
    ]);
    assert.deepEqual([facts.appArmor, facts.qemuMajor, facts.memoryDir], [true, 8, { path: '/m', filesystem: 'xfs' }]);
    assert.equal(facts.realEmulator.path, '/usr/bin/qemu-system-i386');
    assert.match(facts.sockets.get('/run/vhost-host/port-p.sock') ?? '', /does not exist$/);
    assert.deepEqual(calls, [
      '/usr/bin/qemu-system-i386 --version',
      'stat -f -c %T -- /m',
      'stat -f -c %T -- /var/lib',
    ]);
    const named = await gatherFacts(host, domain, {
      running: false,
      ports: [],
      ours,
      sharers: new Map(),
      realEmulator: '/opt/qemu',
    });
    assert.deepEqual(named.realEmulator, { path: '/opt/qemu', stat: undefined });
  });
});
