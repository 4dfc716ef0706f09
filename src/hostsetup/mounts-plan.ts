import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { Step } from '../steps.js';

/** Mounts of hugetlbfs: now, and again at each start of the system. */

export interface MountWish {
  readonly path: string;
  /** Bytes. */
  readonly pageSize: number;
  /** User id; root where it is not named. */
  readonly owner?: number;
  readonly gid?: number;
  /** Permission bits of the mount's top directory. */
  readonly mode?: number;
}

export interface MountsWish {
  readonly mounts: readonly MountWish[];
  /** Mount in the running system. */
  readonly now: boolean;
}

export interface MountsPlan {
  readonly steps: Step[];
  readonly notes: string[];
}

export function planMounts(host: Host, wish: MountsWish): Promise<MountsPlan> {
  void [host, wish];
  return Promise.reject(new VhostHostError('INTERNAL', 'planMounts is being written'));
}
