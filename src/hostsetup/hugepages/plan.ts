import { readPools } from '../../host/kernel/hugepages.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { shortSize } from '../../common/bytes.js';
import type { SetValue, Step } from '../../changes/steps.js';
import { Look } from '../../host/tolerant-reader.js';
import { readSystem } from '../kernel/system-facts.js';
import type { ByHand, PartPlan } from '../../changes/part-plan.js';
import { defaultFloor, refuseAtStart, refuseBelowFloor } from './memory-reserve.js';
import { implicitPageSize } from '../kernel/running.js';
import { planPersistence } from './persist.js';
import type { Larger, Persistence } from './persist.js';
import type { NextStart } from './at-boot/read.js';
import { findSystemd } from '../system/systemd.js';
import { growthOf, poolText } from './growth.js';
import type { Growth, Target } from './growth.js';
import type { Host } from '../../host/host.js';
import type { PoolsSpec } from './spec.js';

/**
 * Run-time pools of hugepages, grown and never shrunk. What the kernel did not give is no failure of the step: it is
 * told by `Step.remark`, which `applySteps` hands to `ApplyOptions.remark`.
 */

/** Looks, and changes nothing. SETUP_REFUSED where a size or node is not there, or too little memory would be left. */
export async function planPools(host: Host, spec: PoolsSpec): Promise<PartPlan & Pick<Persistence, 'larger'>> {
  const look = new Look(host);
  const pools = await readPools(look);
  const { memory, nodes } = await readSystem(look);
  const floor = spec.floorBytes ?? defaultFloor(memory.total);
  const plan = { steps: [] as Step[], notes: [] as string[], byHand: [] as ByHand[], larger: [] as Larger[] };
  if (spec.now) {
    const growths = growthOf(spec.pools, pools, nodes);
    refuseBelowFloor(growths, memory.available, floor);
    plan.steps.push(...growths.map(growStep));
  }
  if (spec.persist && spec.pools.length > 0) {
    if (memory.total > 0) refuseAtStart(spec.pools, pools, memory.total, floor);
    else plan.notes.push('how much memory the host has is not known here: see that the pools leave some');
    const start = await nextStart(host, pools, spec.line);
    const kept = await planPersistence(host, spec.pools, start, spec.shrink === true);
    plan.steps.push(...kept.steps);
    plan.notes.push(...kept.covered, ...kept.notes, ...kept.larger.map(({ note }) => note));
    plan.byHand.push(...kept.byHand);
    plan.larger.push(...kept.larger);
  }
  return plan;
}

/** `line`: the command line of the next start. */
export async function nextStart(host: Host, pools: Pools, line: string | undefined): Promise<NextStart> {
  return {
    line: line ?? (await host.readOptional('/proc/cmdline')) ?? '',
    implicit: await implicitPageSize(host),
    systemd: (await findSystemd(host)).present,
    pools,
    nodeCount: Math.max(1, ...pools.pools.map(({ nodes }) => nodes.size)),
  };
}

/** Moves what can be moved, so that free memory comes in larger pieces. */
const COMPACTION = { path: '/proc/sys/vm/compact_memory', value: '1' };

function actionOf({ directory, wanted }: Target, { pageSize }: Growth['spec']): SetValue {
  const whole = `/sys/kernel/mm/hugepages/hugepages-${pageSize / 1024}kB`;
  return {
    kind: 'set',
    path: `${directory}/nr_hugepages`,
    value: String(wanted),
    raise: {
      retryAfter: COMPACTION,
      unused: `${directory}/free_hugepages`,
      // Told for the host as a whole only: by node it can be more than is promised of that node, and never less.
      promised: `${whole}/resv_hugepages`,
    },
  };
}

function growStep({ spec, current, targets }: Growth): Step {
  const size = shortSize(spec.pageSize);
  return {
    id: `hugepages-${size}${spec.node === undefined ? '' : `-node${spec.node}`}`,
    title: `hugepages: ${poolText(spec, spec.count)}`,
    why: `pages of ${size} are there for guests and for the switch only when the kernel has put them aside`,
    current: poolText(spec, current),
    wanted: poolText(spec, Math.max(current, spec.count)),
    diff: targets.map((target) => `${target.directory}/nr_hugepages: ${target.current} -> ${target.wanted}\n`).join(''),
    actions: targets.map((target) => actionOf(target, spec)),
    needsReboot: false,
    remark: async (host) => remarkOn(spec, await readPools(host)),
  };
}

/** What the kernel did not give, and what would make it. */
function remarkOn(spec: Growth['spec'], { pools }: Pools): string | undefined {
  const pool = pools.find(({ pageSize }) => pageSize === spec.pageSize);
  const got = (spec.node === undefined ? pool : pool?.nodes.get(spec.node))?.total ?? 0;
  if (got >= spec.count) return undefined;
  const short = `wanted ${poolText(spec, spec.count)}, got ${got}`;
  const fix = 'run it again when less memory is in use, or reserve them by kernel arguments and reboot';
  return `${short}: memory is in pieces, also after it was compacted; ${fix}`;
}
