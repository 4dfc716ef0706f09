import { VhostHostError } from '../../common/errors.js';
import { poolDirectory } from '../../host/kernel/hugepages.js';
import type { HugepagePool, Pools } from '../../host/kernel/hugepages.js';
import { shortSize, sizeText } from '../../common/bytes.js';
import type { NodeMemory } from '../kernel/system-facts.js';
import type { PoolSpec } from './spec.js';

/** One file of the kernel that holds a number of pages, and what it shall become. */
export interface Target {
  readonly directory: string;
  readonly node: number | undefined;
  readonly current: number;
  readonly wanted: number;
}

/** A spec with the files that fulfil it; none where enough pages are there. */
export interface Growth {
  readonly spec: PoolSpec;
  readonly current: number;
  readonly targets: readonly Target[];
}

/** `8 x 1G on node 1`. */
export function poolText({ pageSize, node }: PoolSpec, count: number): string {
  return `${count} × ${shortSize(pageSize)}${node === undefined ? '' : ` on node ${node}`}`;
}

/** A pool that is larger at each start, by somebody's word, than `spec` has it. */
export function largerNote(by: string, spec: PoolSpec, pages: number): string {
  const has = poolText(spec, pages);
  return `${by}: ${has} at each start, more than the ${spec.count} that are wanted; they stay (--shrink takes them away)`;
}

/** Pages that are missing go to the nodes in turn, as the kernel does it, to those first that have room for them. */
export function distribute(
  missing: number,
  pageSize: number,
  nodes: readonly NodeMemory[],
): ReadonlyMap<number, number> {
  const room = new Map(nodes.map(({ node, free }) => [node, Math.floor(free / pageSize)]));
  const given = new Map(nodes.map(({ node }) => [node, 0]));
  for (let left = missing; left > 0;) {
    const roomy = nodes.filter(({ node }) => (given.get(node) ?? 0) < (room.get(node) ?? 0));
    const turn = roomy.length > 0 ? roomy : nodes;
    // As many rounds at once as all of them have room for.
    const rounds = Math.max(
      1,
      Math.min(
        Math.floor(left / turn.length),
        ...roomy.map(({ node }) => (room.get(node) ?? 0) - (given.get(node) ?? 0)),
      ),
    );
    for (const { node } of turn.slice(0, left)) {
      const share = Math.min(rounds, left);
      given.set(node, (given.get(node) ?? 0) + share);
      left -= share;
    }
  }
  return given;
}

/** SETUP_REFUSED where the running kernel has no pages of that size. */
export function poolFor(pageSize: number, pools: readonly HugepagePool[]): HugepagePool {
  const pool = pools.find((each) => each.pageSize === pageSize);
  if (pool !== undefined) return pool;
  const known = pools.map((each) => sizeText(each.pageSize)).join(', ') || 'none';
  throw new VhostHostError(
    'SETUP_REFUSED',
    `this kernel has no hugepages of ${sizeText(pageSize)} (it has: ${known})`,
    { hint: 'ls /sys/kernel/mm/hugepages', details: { pageSize } },
  );
}

function onNode(spec: PoolSpec, pool: HugepagePool, node: number): Growth {
  const current = pool.nodes.get(node)?.total;
  if (current === undefined) {
    const known = [...pool.nodes.keys()].join(', ') || 'none';
    throw new VhostHostError('SETUP_REFUSED', `there is no NUMA node ${node} (nodes: ${known})`, {
      hint: 'ls /sys/devices/system/node',
      details: { node },
    });
  }
  const directory = poolDirectory(pool.pageSize, node);
  const targets = current < spec.count ? [{ directory, node, current, wanted: spec.count }] : [];
  return { spec, current, targets };
}

/**
 * By node, so that undo gives back to each what was taken from it, and always by the same file, which only a kernel
 * without NUMA does not have. `more` is what other specs add to the same pool before.
 */
function onHost(
  spec: PoolSpec,
  pool: HugepagePool,
  nodes: readonly NodeMemory[],
  more: ReadonlyMap<number, number>,
): Growth {
  const total = pool.total + [...more.values()].reduce((sum, pages) => sum + pages, 0);
  const missing = spec.count - total;
  if (missing <= 0) return { spec, current: pool.total, targets: [] };
  const useful = nodes.filter(({ node, total }) => total > 0 && pool.nodes.has(node));
  if (useful.length === 0) {
    const target = { directory: poolDirectory(pool.pageSize), node: undefined, current: total, wanted: spec.count };
    return { spec, current: pool.total, targets: [target] };
  }
  const targets = [...distribute(missing, pool.pageSize, useful)].flatMap(([node, share]) => {
    const current = (pool.nodes.get(node)?.total ?? 0) + (more.get(node) ?? 0);
    return share === 0
      ? []
      : [{ directory: poolDirectory(pool.pageSize, node), node, current, wanted: current + share }];
  });
  return { spec, current: pool.total, targets };
}

/** Specs for nodes first: what they add counts for those for the host as a whole. */
export function growthOf(specs: readonly PoolSpec[], pools: Pools, nodes: readonly NodeMemory[]): Growth[] {
  const added = new Map<number, Map<number, number>>();
  const growths: Growth[] = [];
  for (const spec of specs) {
    if (spec.node === undefined) continue;
    const growth = onNode(spec, poolFor(spec.pageSize, pools.pools), spec.node);
    growths.push(growth);
    const more = added.get(spec.pageSize) ?? new Map<number, number>();
    added.set(spec.pageSize, more);
    for (const { current, wanted } of growth.targets) more.set(spec.node, wanted - current);
  }
  for (const spec of specs) {
    if (spec.node === undefined)
      growths.push(onHost(spec, poolFor(spec.pageSize, pools.pools), nodes, added.get(spec.pageSize) ?? new Map()));
  }
  return growths;
}
