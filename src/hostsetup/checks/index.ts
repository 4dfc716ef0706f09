import { DPDK_CHECKS } from './dpdk.js';
import { GUEST_CHECKS } from './guests.js';
import { IMAGE_CHECKS } from './image.js';
import { HUGEPAGE_CHECKS } from './hugepages.js';
import { KERNEL_CHECKS } from './kernel.js';
import { LEFTOVER_CHECKS } from './leftovers.js';
import { LIBVIRT_CHECKS } from './libvirt.js';
import { MOUNT_CHECKS } from './mounts.js';
import { NIC_CHECKS } from './nics.js';
import type { Check, Outcome, Subject } from './check.js';
import { SYSTEM_CHECKS } from './system.js';

/** In the order in which they are told. */
export const CHECKS: readonly Check[] = [
  ...SYSTEM_CHECKS,
  ...DPDK_CHECKS,
  ...IMAGE_CHECKS.filter(({ group }) => group === 'hugepages'),
  ...HUGEPAGE_CHECKS,
  ...MOUNT_CHECKS,
  ...IMAGE_CHECKS.filter(({ group }) => group === 'kernel'),
  ...KERNEL_CHECKS,
  ...NIC_CHECKS,
  ...LIBVIRT_CHECKS,
  ...GUEST_CHECKS,
  ...LEFTOVER_CHECKS,
];

export interface Checked extends Outcome {
  readonly id: string;
  readonly title: string;
  readonly group: string;
}

/** What all checks come to. One that has nothing to look at is left out. */
export function checkHost(subject: Subject): Checked[] {
  const live = subject.host.system.kernel !== undefined;
  return CHECKS.filter((check) => live || !check.live).flatMap((check) => {
    const { id, title, group } = check;
    return check.run(subject).map((outcome) => ({ id, title, group, ...outcome }));
  });
}
