import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { Step } from '../steps.js';

/**
 * Run-time pools of hugepages, grown and never shrunk. What the kernel did not give is no failure of the step: it is
 * told by `Step.remark`, which `applySteps` hands to `ApplyOptions.remark`.
 */

/** Pages of one size wanted: on one NUMA node, or on the host as a whole. */
export interface PoolWish {
  /** Bytes. */
  readonly pageSize: number;
  /** Pages that shall be there altogether, used ones included. */
  readonly count: number;
  readonly node?: number;
}

export interface PoolsWish {
  readonly pools: readonly PoolWish[];
  /** Memory that stays free, in bytes. */
  readonly floorBytes?: number;
  /** Change the running kernel. */
  readonly now: boolean;
  /** And again at each start of the system. */
  readonly persist: boolean;
}

export interface PoolsPlan {
  readonly steps: Step[];
  readonly notes: string[];
}

export function planPools(host: Host, wish: PoolsWish): Promise<PoolsPlan> {
  void [host, wish];
  return Promise.reject(new VhostHostError('INTERNAL', 'planPools is being written'));
}
