import type { DomainView, LibvirtView, Surroundings } from '../../../../src/hostsetup/checks/check.js';
import type { HostFacts } from '../../../../src/hostsetup/facts/index.js';
import { GIB } from '../../../../src/common/bytes.js';
import type { MemoryHost } from '../../host/memory-host.js';

/** What the checks are given: a host, and what is around it. */

export const AROUND: Surroundings = {
  libvirt: undefined,
  domains: [],
  runDir: '/run/vhost-host',
  switchRuns: false,
  contested: [],
  dpdk: undefined,
  sockets: [],
  records: { stale: [], ports: [], uncertain: 0 },
};
export const DEFAULTS = ['/dev/null', '/dev/kvm'];
export const LIBVIRT: LibvirtView = {
  daemon: 'libvirtd',
  trouble: undefined,
  user: 'libvirt-qemu',
  allowedDevices: undefined,
  defaultDevices: DEFAULTS,
  confTrouble: undefined,
  guestDevices: [],
  kvm: true,
  denied: new Map(),
  wrapper: false,
  policy: { apparmor: false, selinux: false },
};
export const WEB: DomainView = {
  name: 'web',
  running: false,
  bytes: 3 * GIB,
  pages: [],
  findings: [],
  trouble: undefined,
};
export const TOO_FEW = { id: 'hugepages-too-few', state: 'error', reason: 'the guest needs more', fix: 'x' } as const;

export interface Case {
  readonly on?: MemoryHost;
  readonly around?: Partial<Surroundings>;
  readonly libvirt?: Partial<LibvirtView>;
  readonly facts?: Partial<HostFacts>;
}

/** What is looked at, the check and state that are to come of it, and how its reason and its fixing command read. */
export type Row = readonly [string, Case, string, RegExp];

export const pages = (size: number, count: number): DomainView['pages'] => [{ pageSize: size, count }];
