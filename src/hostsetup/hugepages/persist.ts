import { VhostHostError } from '../../common/errors.js';
import { poolDirectory } from '../../host/kernel/hugepages.js';
import { shortSize } from '../../common/bytes.js';
import { planWrites, readSnapshot } from '../../changes/steps.js';
import type { Step, WriteFile } from '../../changes/steps.js';
import { Look } from '../../host/tolerant-reader.js';
import type { ByHand, PartPlan } from '../../changes/part-plan.js';
import { largerNote, poolText } from './growth.js';
import { KERNEL } from './at-boot/kernel.js';
import { readAtStart, unreadSysctl } from './at-boot/read.js';
import type { NextStart } from './at-boot/read.js';
import type { PoolFile } from './at-boot/writes.js';
import type { Host } from '../../host/host.js';
import type { PoolWish } from './spec.js';

/**
 * Pools at each start: by lines of tmpfiles.d, which systemd-tmpfiles writes into sysfs before any service runs.
 * They know every size and every node, which sysctl's `vm.nr_hugepages` does not, and need neither a shell nor this
 * program, which a unit of our own would. The exclamation mark means: at the start only, and not whenever a package
 * has the directory gone through, which would take pages away that were added since.
 */
export const POOLS_CONF = '/etc/tmpfiles.d/vhost-host-hugepages.conf';
/** Of several lines for one path the first file by name counts: this one goes before most of what others write. */
const OWN_FILES = [POOLS_CONF, '/etc/tmpfiles.d/00-vhost-host-hugepages.conf'];

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

/** Lines that would only make systemd warn of a second one for the same path. */
function withoutPools(text: string, wishes: readonly PoolWish[]): string {
  const paths = wishes.map(fileOf);
  const lines = text.split(/(?<=\n)/);
  return lines.filter((line) => !paths.includes(line.split(/\s+/)[1] ?? '')).join('');
}

export interface Persistence extends PartPlan {
  /** What is there already, by others. */
  readonly covered: readonly string[];
  readonly larger: readonly Larger[];
  readonly byHand: readonly ByHand[];
}

/** A pool that is going to be larger than what is wanted, and stays so. */
export interface Larger {
  readonly by: string;
  readonly note: string;
}

const poolOf = ({ pageSize, node }: PoolWish): PoolFile => ({ pageSize, node });
const ownFileIn = (by: string | undefined): string | undefined => OWN_FILES.find((path) => by?.startsWith(`${path}:`));
const isOwn = (by: string | undefined): boolean => ownFileIn(by) !== undefined;

/** Looks, and changes nothing. `shrink`: pages that are more than wanted go. */
export async function planPersistence(
  host: Host,
  wishes: readonly PoolWish[],
  start: NextStart,
  shrink: boolean,
): Promise<Persistence> {
  const look = new Look(host);
  const nodeCount = Math.max(start.nodeCount, ...wishes.map(({ node = 0 }) => node + 1));
  const at = await readAtStart(look, { ...start, nodeCount });
  const plan = {
    steps: [] as Step[],
    notes: [] as string[],
    byHand: [] as ByHand[],
    covered: [] as string[],
    larger: [] as Larger[],
  };
  const own: PoolWish[] = [];
  for (const wish of wishes) {
    const { pages, by = 'nobody' } = at(poolOf(wish));
    if (pages > wish.count && !shrink) plan.larger.push({ by, note: largerNote(by, wish, pages) });
    if (isOwn(by)) own.push(shrink ? wish : { ...wish, count: Math.max(pages, wish.count) });
    else if (pages < wish.count || (shrink && pages > wish.count)) own.push(wish);
    else plan.covered.push(`${poolText(wish, wish.count)} at each start: ${by} reserves ${pages} already`);
  }
  const unread = await unreadSysctl(look, start.systemd);
  if (unread !== undefined)
    plan.notes.push(`${unread.by} asks for ${unread.pages} hugepages, and systemd does not read it`);
  if (own.length === 0) return plan;
  if (!start.systemd) {
    const snippet = own.map((wish) => `echo ${wish.count} > ${fileOf(wish)}`).join('\n');
    const reason = 'systemd does not start this system, so something else has to reserve pages at each start';
    plan.byHand.push({ reason, snippet });
    return plan;
  }
  const settledIn = (wish: PoolWish): string | undefined => {
    const { pages, by } = at(poolOf(wish));
    return pages === wish.count ? ownFileIn(by) : undefined;
  };
  const step = await persistStep(host, own, settledIn, { ...start, nodeCount });
  const others = own.flatMap((wish) => {
    const { pages, by } = at(poolOf(wish));
    return by === undefined || isOwn(by) || by === KERNEL
      ? []
      : [`${by} says ${poolText(wish, pages)} at each start; what counts is ${step.title.replace(/^.*: /, '')}`];
  });
  return { ...plan, steps: [step], notes: [...plan.notes, ...others] };
}

interface Draft {
  readonly path: string;
  readonly text: string;
}

/** The first of our files whose lines come to something. SETUP_REFUSED where somebody has the last word after them all. */
async function draftFor(host: Host, wishes: readonly PoolWish[], start: NextStart): Promise<Draft> {
  const look = new Look(host);
  let last: { by: string; pages: number; wish: PoolWish } | undefined;
  for (const path of OWN_FILES) {
    const before = (await readSnapshot(host, path))?.text ?? '';
    const text = editPoolsConf(before, wishes);
    const after = await readAtStart(look, start, new Map([[path, text]]));
    const counts = (wish: PoolWish): boolean => {
      const { pages, by } = after(poolOf(wish));
      return pages === wish.count && ownFileIn(by) === path;
    };
    const wrong = wishes.find((wish) => !counts(wish));
    if (wrong === undefined) return { path, text };
    const { by = 'somebody', pages } = after(poolOf(wrong));
    last = { by, pages, wish: wrong };
  }
  const { by = '', pages = 0, wish } = last ?? {};
  const what = wish === undefined ? '' : poolText(wish, wish.count);
  throw new VhostHostError(
    'SETUP_REFUSED',
    `${by} leaves ${pages} of ${what} at each start, whatever a line of ours says`,
    {
      hint: `take that line out: sudoedit ${by.replace(/:\d+$/, '')}`,
      details: { by, pages },
    },
  );
}

async function persistStep(
  host: Host,
  wishes: readonly PoolWish[],
  settledIn: (wish: PoolWish) => string | undefined,
  start: NextStart,
): Promise<Step> {
  const open = wishes.filter((wish) => settledIn(wish) === undefined);
  const settled = wishes.filter((wish) => !open.includes(wish));
  const draft = open.length === 0 ? undefined : await draftFor(host, open, start);
  const path = draft?.path ?? settled.map(settledIn)[0] ?? POOLS_CONF;
  const writes: WriteFile[] = draft === undefined ? [] : [{ kind: 'write', path, text: draft.text }];
  for (const other of OWN_FILES.filter((one) => one !== path)) {
    const there = (await readSnapshot(host, other))?.text;
    if (there !== undefined) writes.push({ kind: 'write', path: other, text: withoutPools(there, open) });
  }
  const { actions, diff } = await planWrites(host, writes);
  return {
    id: 'hugepages-at-start',
    title: `hugepages at each start: ${path}`,
    why: `what is reserved in the running system (${wishes.map(({ pageSize }) => shortSize(pageSize)).join(', ')}) is gone after a reboot`,
    current: settled.map((wish) => poolText(wish, wish.count)).join(', ') || 'none',
    wanted: wishes.map((wish) => poolText(wish, wish.count)).join(', '),
    diff,
    actions,
    needsReboot: false,
  };
}
