import { planPools } from '../../../../src/hostsetup/hugepages/plan.js';
import type { PartPlan } from '../../../../src/changes/part-plan.js';
import { GIB, MIB } from '../../../../src/common/bytes.js';
import type { MemoryHost } from '../../host/memory-host.js';
import { livePool } from '../kernel/fake.js';
import { GIB_KB, debian12, withNode, withPool } from '../systems.js';
import type { PoolSpec } from '../../../../src/hostsetup/hugepages/spec.js';

/** Machines for the pools' tests, and the spec of most of them. */
export const SMALL: PoolSpec = { pageSize: 2 * MIB, count: 256 };
export const plan = (memory: MemoryHost, pools: readonly PoolSpec[], more: object = {}): Promise<PartPlan> =>
  planPools(memory.host, { pools, now: true, persist: false, ...more });
export const total = (memory: MemoryHost, sizeKb = 2048, where = '/sys/kernel/mm'): number =>
  Number(memory.entries.get(`${where}/hugepages/hugepages-${sizeKb}kB/nr_hugepages`)?.text);
export const node = (number: number): string => `/sys/devices/system/node/node${number}`;

/** 16 GiB, 12 of them free, pages of both sizes. */
export function machine(): MemoryHost {
  const memory = withPool(debian12(), { sizeKb: GIB_KB, total: 0, nodes: [0] });
  livePool(memory, { pageSize: 2 * MIB, nodes: [0] });
  livePool(memory, { pageSize: GIB, nodes: [0] });
  return memory;
}

/** Two nodes with 4 GiB free each. */
export function twoNodes(finds?: number): MemoryHost {
  const memory = withNode(withPool(debian12(), { sizeKb: GIB_KB, total: 0, nodes: [0, 0] }), 1);
  withPool(memory, { sizeKb: 2048, total: 8, nodes: [8, 0] });
  livePool(memory, { pageSize: 2 * MIB, nodes: [0, 1] });
  livePool(memory, { pageSize: GIB, nodes: [0, 1], ...(finds === undefined ? {} : { finds }) });
  return memory;
}
