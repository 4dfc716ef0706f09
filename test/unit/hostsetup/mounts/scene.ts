import { deepEqual } from 'node:assert/strict';
import { planMounts } from '../../../../src/hostsetup/mounts/plan.js';
import type { PartPlan } from '../../../../src/changes/part-plan.js';
import { GIB, MIB } from '../../../../src/common/bytes.js';
import { undoSteps } from '../../../helpers/host/steps.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { withMounts } from '../kernel/fake.js';
import { carryOut, open, stateOf } from '../plan-support.js';
import { GIB_KB, debian12, withPool } from '../systems.js';
import type { Host } from '../../../../src/host/host.js';
import type { MountSpec } from '../../../../src/hostsetup/mounts/spec.js';

/** Machines for the mounts' tests, and the specs of most of them. */
export const HUGE: MountSpec = { path: '/mnt/huge', pageSize: 2 * MIB, gid: 64055, mode: 0o770 };
export const GUESTS: MountSpec = { path: '/dev/hugepages', pageSize: GIB };
export const UNIT = '/etc/systemd/system/mnt-huge.mount';
export const DEBIAN =
  '[Unit]\nDescription=Huge Pages File System\n[Mount]\nWhat=hugetlbfs\nWhere=/dev/hugepages\nType=hugetlbfs\n';

/** Without systemd, `/mnt` and `/dev` there, pages of both sizes. */
export function plain(): MemoryHost {
  return withPool(debian12(), { sizeKb: GIB_KB, total: 0 }).dir('/mnt').dir('/dev').dir('/etc');
}

/** As Debian starts it: its own unit has mounted /dev/hugepages with pages of the default size. */
export function systemd(): MemoryHost {
  const memory = plain()
    .dir('/run/systemd/system')
    .dir('/etc/systemd/system/local-fs.target.wants')
    .dir('/dev/hugepages');
  memory.file('/usr/lib/systemd/system/dev-hugepages.mount', DEBIAN);
  return memory.file('/proc/mounts', 'hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n');
}

export const plan = (host: Host, mounts: readonly MountSpec[], now = true): Promise<PartPlan> =>
  planMounts(host, { mounts, now });

export async function roundTrip(memory: MemoryHost, mounts: readonly MountSpec[]): Promise<PartPlan> {
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
