import { poolDirectory } from '../hugepage-pools.js';
import type { Pools } from '../hugepage-pools.js';
import type { Host } from '../host.js';
import { shortSize } from '../sizes.js';
import { planWrites, readSnapshot } from '../steps.js';
import type { Step } from '../steps.js';
import { Look } from './facts-look.js';
import { bootPairs } from './facts-pairs.js';
import { kernelArgs } from './kernel-args.js';
import type { PartPlan } from './plan-part.js';
import type { PoolWish } from './pools-plan.js';
import { poolText } from './pools-target.js';
import { findSystemd } from './systemd.js';

/**
 * Pools at each start: by lines of tmpfiles.d, which systemd-tmpfiles writes into sysfs before any service runs.
 * They know every size and every node, which sysctl's `vm.nr_hugepages` does not, and need neither a shell nor this
 * program, which a unit of our own would. The exclamation mark means: at the start only, and not whenever a package
 * has the directory gone through, which would take pages away that were added since.
 */
export const POOLS_CONF = '/etc/tmpfiles.d/vhost-host-hugepages.conf';

const HEAD = `# Hugepages, reserved while the system starts and memory is still in one piece.
# Written by vhost-host; lines that are changed in here are changed back by the next set-up.
`;

const fileOf = ({ pageSize, node }: PoolWish): string => `${poolDirectory(pageSize, node)}/nr_hugepages`;

/** The file with these wishes; what it holds for other pools, and whatever else, stays. */
export function editPoolsConf(text: string, wishes: readonly PoolWish[]): string {
  const lines = (text === '' ? HEAD : text).replace(/\n?$/, '\n').split(/(?<=\n)/);
  for (const wish of wishes) {
    const path = fileOf(wish);
    const line = `w! ${path} - - - - ${wish.count}\n`;
    const at = lines.findIndex((other) => other.split(/\s+/)[1] === path);
    if (at < 0) lines.push(line);
    else lines[at] = line;
  }
  return lines.join('');
}

const SYSCTL_DIRS = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/lib/sysctl.d'];

async function sysctlPages(look: Look): Promise<number> {
  const files = ['/etc/sysctl.conf'];
  for (const dir of SYSCTL_DIRS) files.push(...(await look.list(dir)).map((name) => `${dir}/${name}`));
  const texts = await Promise.all(files.map((path) => look.text(path)));
  const counts = texts.flatMap((text) => [...text.matchAll(/^\s*-?\s*vm[./]nr_hugepages\s*=\s*(\d+)/gm)]);
  return Math.max(0, ...counts.map(([, count]) => Number(count)));
}

/** Pages of each size that somebody else reserves at the start: writing fewer would take them away. */
async function reservedByOthers(look: Look, pools: Pools): Promise<ReadonlyMap<number, number>> {
  const words = kernelArgs(await look.text('/proc/cmdline')).map(({ text }) => text);
  const pairs = bootPairs(words, pools.defaultPageSize);
  const others = new Map(pairs.map(({ pageSize, pages }) => [pageSize, pages]));
  const size = pools.defaultPageSize;
  return others.set(size, Math.max(others.get(size) ?? 0, await sysctlPages(look)));
}

export async function planPersistence(host: Host, wishes: readonly PoolWish[], pools: Pools): Promise<PartPlan> {
  const others = await reservedByOthers(new Look(host), pools);
  const covered = wishes.filter(({ pageSize, node, count }) => {
    const total = pools.pools.find((pool) => pool.pageSize === pageSize)?.nodes.get(node ?? -1)?.total ?? 0;
    const pages = others.get(pageSize) ?? 0;
    return count <= (node === undefined ? pages : Math.min(pages, total));
  });
  const notes = covered.map((wish) => {
    const by = 'the kernel arguments or sysctl';
    return `${poolText(wish, wish.count)} at each start: ${by} reserve ${others.get(wish.pageSize) ?? 0} already`;
  });
  const own = wishes.filter((wish) => !covered.includes(wish));
  if (own.length === 0) return { steps: [], notes };
  if (!(await findSystemd(host)).present) {
    const snippet = own.map((wish) => `echo ${wish.count} > ${fileOf(wish)}`).join('\n');
    const reason = 'systemd does not start this system, so something else has to reserve pages at each start';
    return { steps: [], notes, byHand: [{ reason, snippet }] };
  }
  return { steps: [await persistStep(host, own)], notes };
}

async function persistStep(host: Host, wishes: readonly PoolWish[]): Promise<Step> {
  const before = await readSnapshot(host, POOLS_CONF);
  const text = editPoolsConf(before?.text ?? '', wishes);
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path: POOLS_CONF, text }]);
  const has = (wish: PoolWish): boolean => editPoolsConf(before?.text ?? '', [wish]) === before?.text;
  return {
    id: 'hugepages-at-start',
    title: `hugepages at each start: ${POOLS_CONF}`,
    why: `what is reserved in the running system (${wishes.map(({ pageSize }) => shortSize(pageSize)).join(', ')}) is gone after a reboot`,
    current:
      wishes
        .filter(has)
        .map((wish) => poolText(wish, wish.count))
        .join(', ') || 'none',
    wanted: wishes.map((wish) => poolText(wish, wish.count)).join(', '),
    diff,
    actions,
    needsReboot: false,
  };
}
