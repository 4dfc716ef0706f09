import { MIB } from '../../../../src/common/bytes.js';
import { DEFAULTS, TOO_FEW, WEB, pages } from './support.js';
import type { Row } from './support.js';
import { debian12, rhel9, withNic, withPool } from '../systems.js';
import type { MemoryHost } from '../../host/memory-host.js';

/** Network cards, libvirt, guests, and what is left over. */

const SMALL = { sizeKb: 2048, total: 512, nodes: [512] };
const withFile = (): MemoryHost =>
  debian12()
    .file('/proc/mounts', 'none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n')
    .file('/dev/hugepages/rtemap_0', 'x'.repeat(3 * MIB));

export const AROUND_CASES: readonly Row[] = [
  ['no cards', {}, 'nics info', /no PCI network card/],
  ['cards', { on: rhel9() }, 'nics ok', /0000:03:00\.0 \(ens3f0, ixgbe\) is free/],
  ['VMDQ', { on: rhel9() }, 'nics-vmdq ok', /has VMDQ/],
  ['no VMDQ', { on: rhel9() }, 'nics-vmdq info', /in software/],
  ['vfio', { on: rhel9() }, 'nics-vfio ok', /in an IOMMU group/],
  [
    'vfio without IOMMU',
    { on: withNic(debian12(), { address: '0000:01:00.0', id: '8086:1', driver: 'vfio-pci' }) },
    'nics-vfio error',
    /no IOMMU/,
  ],
  [
    'a card without an IOMMU, and a service',
    {
      on: withNic(debian12(), { address: '0000:01:00.0', id: '8086:1', driver: 'uio_pci_generic' }).file(
        '/usr/lib/systemd/system/vhost-host.service',
        '',
      ),
    },
    'nics-service warning',
    /0000:01:00\.0 has no IOMMU .*setup --nic 0000:01:00\.0 --nic-driver uio_pci_generic --boot/s,
  ],
  [
    'a card by way of vfio without an IOMMU, and a service',
    {
      on: withNic(debian12(), { address: '0000:01:00.0', id: '8086:1', driver: 'vfio-pci' }).file(
        '/etc/systemd/system/vhost-host.service',
        '',
      ),
    },
    'nics-service warning',
    /setup --nic 0000:01:00\.0 --boot$/,
  ],
  [
    'a card without an IOMMU, and a service that was told',
    {
      on: withNic(debian12(), { address: '0000:01:00.0', id: '8086:1', driver: 'igb_uio' })
        .file('/etc/systemd/system/vhost-host.service', '')
        .file('/etc/systemd/system/vhost-host.service.d/cards-without-iommu.conf', ''),
    },
    'nics-service ok',
    /which nothing here forbids/,
  ],
  ['no libvirt', {}, 'libvirt info', /not installed/],
  ['libvirt', { libvirt: {} }, 'libvirt ok', /libvirtd answers; it runs guests as libvirt-qemu/],
  [
    'libvirt that is off',
    { libvirt: { trouble: { state: 'warning', reason: 'no answer', fix: 'start it' } } },
    'libvirt warning',
    /no answer/,
  ],
  ['default devices', { libvirt: {} }, 'cgroup-acl ok', /libvirt's defaults; vhost-user needs no device/],
  ['a list of 2014', { libvirt: { allowedDevices: ['/dev/null'] } }, 'cgroup-acl warning', /lacks .*\/dev\/kvm/],
  [
    'a device that is not allowed',
    {
      libvirt: { guestDevices: ['/dev/usvhost-1', '/dev/usvhost-3'], allowedDevices: [...DEFAULTS, '/dev/usvhost-1'] },
    },
    'cgroup-acl error',
    /^[^]*\n\/dev\/usvhost-3: neither allowed.*private \/dev.*setup --devices 3/s,
  ],
  ['an unreadable qemu.conf', { libvirt: { confTrouble: 'line 3' } }, 'cgroup-acl error', /line 3.*sudoedit/s],
  ['kvm', { libvirt: {} }, 'device-access ok', /may use \/dev\/kvm/],
  ['no kvm', { libvirt: { kvm: false } }, 'device-access info', /emulated/],
  ['kvm for others', { libvirt: { denied: new Map([['/dev/kvm', 'no']]) } }, 'device-access warning', /\/dev\/kvm: no/],
  [
    'a device for others',
    { libvirt: { guestDevices: ['/dev/usvhost-1'], denied: new Map([['/dev/usvhost-1', 'no']]) } },
    'device-access error',
    /chgrp kvm \/dev\/usvhost-1/,
  ],
  ['sockets', { libvirt: {}, around: { sockets: ['/r/a'] } }, 'socket-access ok', /may use the 1 in/],
  [
    'sockets for others',
    { libvirt: { denied: new Map([['/r/a', 'user x may not enter /r']]) }, around: { sockets: ['/r/a', '/r/b'] } },
    'socket-access error',
    /\/r\/a: user x may not enter \/r.*usermod/s,
  ],
  ['no AppArmor', { libvirt: {} }, 'apparmor ok', /off/],
  ['AppArmor', { libvirt: {}, facts: { appArmor: true } }, 'apparmor info', /would be stopped/],
  [
    'AppArmor in the way',
    { libvirt: { wrapper: true }, facts: { appArmor: true } },
    'apparmor warning',
    /is stopped.*libvirt setup/s,
  ],
  [
    'AppArmor with rules',
    { libvirt: { policy: { apparmor: true, selinux: false } }, facts: { appArmor: true } },
    'apparmor ok',
    /with our rules/,
  ],
  ['no SELinux', { libvirt: {} }, 'selinux ok', /off/],
  ['permissive', { libvirt: {}, facts: { selinux: 'permissive' } }, 'selinux info', /it may be enforcing/],
  [
    'enforcing, in the way',
    { libvirt: { wrapper: true }, on: debian12().file('/sys/fs/selinux/enforce', '1') },
    'selinux warning',
    /enforcing, and without our rules/,
  ],
  ['no domains', { libvirt: {} }, 'guests info', /no domains/],
  ['a good domain', { libvirt: {}, around: { domains: [WEB] } }, 'guests ok', /web: nothing found/],
  [
    'a transient domain',
    { libvirt: {}, around: { domains: [{ ...WEB, trouble: 'it is transient' }] } },
    'guests info',
    /web could not be looked at: it is transient/,
  ],
  [
    'a bad domain',
    {
      libvirt: {},
      around: {
        domains: [{ ...WEB, findings: [{ id: 'vlan-ignored', state: 'warning', reason: 'a VLAN', fix: 'm' }] }],
      },
    },
    'guests warning',
    /web: a VLAN/,
  ],
  [
    'too few on its node only',
    {
      on: withPool(debian12(), SMALL),
      libvirt: {},
      around: { domains: [{ ...WEB, pages: pages(2 * MIB, 9), findings: [TOO_FEW] }] },
    },
    'guests error',
    /web: the guest needs more/,
  ],
  ['guests that nobody confuses', { around: { switchRuns: true } }, 'guest-addresses ok', /no two guests/],
  [
    'two guests with one address',
    { around: { switchRuns: true, contested: ['02:00:00:00:00:01 is the address of a and b'] } },
    'guest-addresses warning',
    /02:00:00:00:00:01 is the address of a and b: each gets only a part.*mac=/s,
  ],
  ['no switch', {}, 'leftover-sockets ok', /no switch runs/],
  ['a switch', { around: { switchRuns: true, sockets: ['/r/a'] } }, 'leftover-sockets ok', /a switch runs/],
  ['a switch of root', { around: { switchRuns: undefined } }, 'leftover-sockets info', /may not be asked/],
  [
    'sockets of nobody',
    { around: { sockets: ['/r/a'] } },
    'leftover-sockets warning',
    /1 left.*vhost-host start --run-dir/s,
  ],
  ['no records', {}, 'leftover-records ok', /none/],
  [
    'a record of an undefined domain',
    {
      around: {
        records: { stale: [{ key: 'u-1', title: 'the domain d (u-1)', ports: ['d-0'] }], ports: [], uncertain: 0 },
      },
    },
    'leftover-records warning',
    /the domain d \(u-1\) is gone.*port d-0.*\nvhost-host vm forget u-1$/s,
  ],
  [
    'a record of a file, of a switch elsewhere',
    {
      around: {
        runDir: '/r',
        records: { stale: [{ key: 'file-1', title: 'the file /a', ports: [] }], ports: [], uncertain: 0 },
      },
    },
    'leftover-records warning',
    /the file \/a is gone[^,]*, passwords included\nvhost-host vm forget file-1 --run-dir \/r$/s,
  ],
  [
    'records of who knows what',
    { around: { records: { stale: [], ports: [], uncertain: 2 } } },
    'leftover-records info',
    /2 of which it is not known/,
  ],
  ['no ports', {}, 'leftover-ports ok', /none/],
  [
    'a port of no domain',
    { around: { records: { stale: [], ports: ['p'], uncertain: 0 } } },
    'leftover-ports warning',
    /p was added by attach.*vhost-host ports rm p$/s,
  ],
  ['no files', {}, 'leftover-hugepages ok', /none/],
  [
    'files of nobody',
    { on: withFile() },
    'leftover-hugepages warning',
    /3 MiB in \/dev\/hugepages\/rtemap_0.*sudo rm/s,
  ],
  [
    'files of who knows whom',
    { facts: { leftovers: { files: [{ path: "/h/it's", bytes: 1 }], uncertain: true } } },
    'leftover-hugepages info',
    /'\/h\/it'\\''s': whether/,
  ],
];
