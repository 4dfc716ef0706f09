import { strict as assert } from 'node:assert';
import { CHECKS, checkDomain } from '../../../src/libvirt/checks/index.js';
import type { CheckFacts } from '../../../src/libvirt/checks/facts.js';
import { readDomain } from '../../../src/libvirt/domain/domain.js';
import { XmlDocument } from '../../../src/libvirt/xml/document.js';
import { ours, poolsWith } from './domain-support.js';
import type { FileStat } from '../../../src/host/host.js';

const program: FileStat = { kind: 'file', mode: 0o755, uid: 0, gid: 0, size: 1, ctimeMs: 1000 };

const GOOD: CheckFacts = {
  pools: poolsWith(512, 0),
  running: false,
  appArmor: true,
  emulator: program,
  realEmulator: { path: '/usr/bin/qemu-system-x86_64', stat: program },
  qemuMajor: 7,
  sockets: new Map(),
  memoryDir: { path: '/var/lib/libvirt/qemu/ram', filesystem: 'ext2/ext3' },
  ports: [{ name: 'p', socket: '/run/vhost-host/port-p.sock', queues: 1 }],
  ours,
  sharers: new Map(),
  hook: true,
};

const SHARED = "<source type='memfd'/><access mode='shared'/>";
const NIC = `<interface type='vhostuser'><mac address='52:54:00:00:00:01'/>
  <source type='unix' path='/run/vhost-host/port-p.sock' mode='client'><reconnect enabled='yes' timeout='1'/></source>
  <model type='virtio'/></interface>`;
const WRAPPED = "<interface type='bridge'><source bridge='b'/><driver name='vhost'/></interface>";

const SEV = "<launchSecurity type='sev'><policy>0x3</policy></launchSecurity>";
const withDriver = (attributes: string): string => NIC.replace('<model', `<driver ${attributes}/><model`);
const INTEL = (attributes: string): string => `<iommu model='intel'><driver ${attributes}/></iommu>`;

interface Parts {
  readonly type?: string;
  readonly backing?: string;
  readonly nic?: string;
  readonly emulator?: string;
  readonly more?: string;
}

function domainXml({
  type = 'kvm',
  backing = SHARED,
  nic = NIC,
  emulator = 'qemu-system-x86_64',
  more = '',
}: Parts): string {
  const path = emulator.startsWith('/') ? emulator : `/usr/bin/${emulator}`;
  const devices = `<devices><emulator>${path}</emulator>${nic}</devices>`;
  return `<domain type='${type}'><name>d</name><memory unit='MiB'>256</memory><memoryBacking>${backing}</memoryBacking>${more}${devices}</domain>`;
}

const few = poolsWith(127, 0);
const found = new Set<string>();

function check(parts: Parts, facts: Partial<CheckFacts> = {}): string[] {
  const domain = readDomain(XmlDocument.parse(domainXml(parts)));
  const findings = checkDomain(domain, { ...GOOD, ...facts });
  for (const { id, fix, reason } of findings) {
    found.add(id);
    assert.ok(fix !== '' && reason !== '');
  }
  return findings.map(({ level, id }) => `${level} ${id}`);
}

const cells = (second: string): string =>
  `<cpu><numa><cell id='0' memory='131072' memAccess='shared'/><cell id='1' memory='131072'${second}/></numa></cpu>`;

describe('vm check: each thing that it finds, and what it lets pass', () => {
  const cases: [string, Parts, Partial<CheckFacts>, string[]][] = [
    ['a domain that is right', {}, {}, []],
    ['memory that is not shared', { backing: '' }, {}, ['error memory-not-shared']],
    ['memory of one cell', { more: cells(" memAccess='private'") }, {}, ['error memory-not-shared']],
    ['cells that inherit', { more: cells('') }, {}, []],
    [
      'a private DIMM',
      {
        nic: `${NIC}<memory model='dimm' access='private'><target><size>2048</size></target></memory>`,
        more: cells(''),
      },
      {},
      ['error memory-not-shared'],
    ],
    ['private memory of a domain on a bridge', { backing: '', nic: '' }, {}, []],
    [
      'memory plugged into a wrapped guest',
      { backing: '', nic: WRAPPED, emulator: 'qemu-wrap', more: '<maxMemory slots="1">9</maxMemory>' },
      {},
      ['warning memory-plugged-later'],
    ],
    ['a wrapped guest that does not grow', { backing: '', nic: WRAPPED, emulator: 'qemu-wrap' }, {}, []],
    ['memory in a file on disk', { backing: "<access mode='shared'/>" }, {}, ['warning memory-on-disk']],
    [
      'memory in a file in memory',
      { backing: "<access mode='shared'/>" },
      { memoryDir: { path: '/x', filesystem: 'tmpfs' } },
      [],
    ],
    [
      'hugepages of no size',
      { backing: `${SHARED}<hugepages><page size='4' unit='M'/></hugepages>` },
      {},
      ['error hugepages-unknown'],
    ],
    [
      'hugepages too large',
      { backing: `${SHARED}<hugepages><page size='1' unit='G'/></hugepages>` },
      {},
      ['error hugepages-misfit'],
    ],
    [
      'hugepages too few',
      { backing: `${SHARED}<hugepages/>` },
      { pools: poolsWith(127, 0) },
      ['error hugepages-too-few'],
    ],
    [
      'hugepages that are made on demand',
      { backing: `${SHARED}<hugepages/>` },
      { pools: { ...few, pools: few.pools.map((pool) => ({ ...pool, onDemand: 1 })) } },
      [],
    ],
    ['a confidential guest as libvirt makes it', { more: SEV }, {}, []],
    ['one that is told to share', { more: SEV, nic: withDriver("iommu='on'") }, {}, []],
    ['one that is told not to', { more: SEV, nic: withDriver("iommu='off'") }, {}, ['error confidential-closed']],
    [
      'one behind qemu-wrap',
      {
        more: "<launchSecurity type='tdx'/>",
        nic: WRAPPED.replace('vhost', "vhost' iommu='off"),
        emulator: 'qemu-wrap',
      },
      {},
      ['error confidential-closed'],
    ],
    [
      'a transitional card',
      {
        more: "<launchSecurity type='sev-snp'/>",
        nic: NIC.replace("model type='virtio'", "model type='virtio-transitional'"),
      },
      {},
      ['error confidential-closed'],
    ],
    ['no sharing, and nothing to hide', { nic: withDriver("iommu='off'") }, {}, []],
    ['an IOMMU with all that it needs', { nic: withDriver("iommu='on' ats='on'") + INTEL("iotlb='on'") }, {}, []],
    ['no ATS', { nic: withDriver("iommu='on'") + INTEL("iotlb='on'") }, {}, ['warning iommu-without-ats']],
    [
      'no device IOTLB',
      { nic: withDriver("iommu='on' ats='on'") + INTEL("intremap='on'") },
      {},
      ['warning iommu-without-ats'],
    ],
    ['one that the card does not stand behind', { nic: NIC + INTEL("iotlb='on'") }, {}, []],
    ['just enough', { backing: `${SHARED}<hugepages/>` }, { pools: poolsWith(128, 0) }, []],
    ['a guest that has them', { backing: `${SHARED}<hugepages/>` }, { pools: poolsWith(0, 0), running: true }, []],
    [
      'hugepages on the wrong node',
      { backing: `${SHARED}<hugepages/>`, more: "<numatune><memory mode='strict' nodeset='1'/></numatune>" },
      {},
      ['error hugepages-too-few'],
    ],
    [
      'hugepages for one cell only',
      { backing: `${SHARED}<hugepages><page size='2' unit='M' nodeset='1'/></hugepages>`, more: cells('') },
      { pools: poolsWith(64, 0) },
      [],
    ],
    [
      'enough for each of two cells, not for both',
      {
        backing: `${SHARED}<hugepages/>`,
        more: `${cells('')}<numatune><memnode cellid='0' mode='strict' nodeset='0'/></numatune>`,
      },
      { pools: poolsWith(127, 0) },
      ['error hugepages-too-few'],
    ],
    ['a VLAN', { nic: NIC.replace('<model', '<vlan><tag id="1"/></vlan><model') }, {}, ['warning vlan-ignored']],
    ['a rate', { nic: NIC.replace('<model', '<bandwidth/><model') }, {}, ['warning bandwidth-ignored']],
    ['a filter', { nic: NIC.replace('<model', '<filterref filter="x"/><model') }, {}, ['warning filter-ignored']],
    ['isolation', { nic: NIC.replace('<model', '<port isolated="yes"/><model') }, {}, ['warning isolation-ignored']],
    ['an MTU', { nic: NIC.replace('<model', '<mtu size="9000"/><model') }, {}, ['error mtu-fails']],
    ['no isolation', { nic: NIC.replace('<model', '<port isolated="no"/><model') }, {}, []],
    ['a VLAN on a bridge', { nic: "<interface type='bridge'><vlan/></interface>" }, {}, []],
    [
      'a VLAN behind the wrapper',
      { nic: WRAPPED.replace('<driver', '<vlan/><driver'), emulator: 'qemu-wrap' },
      {},
      ['warning vlan-ignored'],
    ],
    [
      'no socket',
      {},
      { sockets: new Map([['/run/vhost-host/port-p.sock', 'it does not exist']]), ports: undefined },
      ['error socket-unusable'],
    ],
    [
      'a forbidden socket',
      {},
      { sockets: new Map([['/run/vhost-host/port-p.sock', 'user x may not write to it']]) },
      ['error socket-unusable'],
    ],
    [
      'a port of another domain',
      {},
      { sharers: new Map([[0, { what: 'port p', who: 'interface 0 of domain e', fix: 'vhost-host vm attach d' }]]) },
      ['error port-shared'],
    ],
    ['two that wait for each other', { nic: NIC.replace("'client'", "'server'") }, {}, ['error socket-server']],
    ["another switch's client", { nic: NIC.replace("'client'", "'server'").replace('vhost-host', 'ovs') }, {}, []],
    ['no reconnect', { nic: NIC.replace(/<reconnect[^>]*>/, '') }, {}, ['warning no-reconnect']],
    ["another switch's guest", { nic: NIC.replace(/<reconnect[^>]*>/, '').replace('vhost-host', 'ovs') }, {}, []],
    ['too many queues', { nic: NIC.replace('<model', "<driver queues='2'/><model") }, {}, ['error queues-too-few']],
    ['65 queues', { nic: NIC.replace('<model', "<driver queues='65'/><model") }, {}, ['error queues-too-many']],
    ['no hook', {}, { hook: false }, ['warning hook-missing']],
    ["no hook for another switch's guest", { nic: NIC.replace('vhost-host', 'ovs') }, { hook: false }, []],
    ['vhost for an emulated guest', { type: 'qemu', nic: WRAPPED }, {}, ['warning vhost-emulated']],
    [
      'vhost for an emulated guest behind the wrapper',
      { type: 'qemu', nic: WRAPPED, emulator: 'qemu-wrap' },
      {},
      ['error vhost-emulated'],
    ],
    ['vhost for kvm', { nic: WRAPPED }, {}, []],
    ['an emulator that is not there', {}, { emulator: undefined }, ['error emulator-missing']],
    [
      'an emulator that cannot run',
      { emulator: 'qemu-wrap' },
      { emulator: { ...program, mode: 0o644 } },
      ['error emulator-missing'],
    ],
    ['an emulator that AppArmor forbids', { emulator: '/opt/qemu' }, {}, ['error emulator-forbidden']],
    ['an emulator anywhere, without AppArmor', { emulator: '/opt/qemu' }, { appArmor: false }, []],
    [
      'a wrapper older than QEMU',
      { emulator: 'qemu-wrap', nic: WRAPPED },
      { emulator: { ...program, ctimeMs: 999 } },
      ['warning wrapper-stale'],
    ],
    ['QEMU older than itself', {}, { emulator: { ...program, ctimeMs: 999 } }, []],
    ['emulation with MSI-X', { type: 'qemu' }, {}, ['warning emulated-msix']],
    ['emulation without MSI-X', { type: 'qemu', more: '<os><cmdline>quiet pci=nomsi</cmdline></os>' }, {}, []],
    ['emulation by a newer QEMU', { type: 'qemu' }, { qemuMajor: 10 }, []],
    [
      'errors come first',
      { backing: '', nic: NIC.replace('<model', '<vlan/><model') },
      {},
      ['error memory-not-shared', 'warning vlan-ignored'],
    ],
  ];
  for (const [what, parts, facts, wanted] of cases) it(what, () => assert.deepEqual(check(parts, facts), wanted));

  it('every check has found something in one of these', () => {
    assert.deepEqual([...found].sort(), CHECKS.map(({ id }) => id).sort());
    assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  });
});
