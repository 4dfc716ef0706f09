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
import type { PoolSpec } from './spec.js';

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

const fileOf = ({ pageSize, node }: PoolSpec): string => `${poolDirectory(pageSize, node)}/nr_hugepages`;

/** The file with these specs; what it holds for other pools, and whatever else, stays. */
export function editPoolsConf(text: string, specs: readonly PoolSpec[]): string {
  const lines = (text === '' ? HEAD : text).replace(/\n?$/, '\n').split(/(?<=\n)/);
  for (const spec of specs) {
    const path = fileOf(spec);
    const line = `w! ${path} - - - - ${spec.count}\n`;
    const at = lines.findIndex((other) => other.split(/\s+/)[1] === path);
    if (at < 0) lines.push(line);
    else lines[at] = line;
  }
  return lines.join('');
}

/** Lines that would only make systemd warn of a second one for the same path. */
function withoutPools(text: string, specs: readonly PoolSpec[]): string {
  const paths = specs.map(fileOf);
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

const poolOf = ({ pageSize, node }: PoolSpec): PoolFile => ({ pageSize, node });
const ownFileIn = (by: string | undefined): string | undefined => OWN_FILES.find((path) => by?.startsWith(`${path}:`));
const isOwn = (by: string | undefined): boolean => ownFileIn(by) !== undefined;

/** Looks, and changes nothing. `shrink`: pages that are more than wanted go. */
export async function planPersistence(
  host: Host,
  specs: readonly PoolSpec[],
  start: NextStart,
  shrink: boolean,
): Promise<Persistence> {
  const look = new Look(host);
  const nodeCount = Math.max(start.nodeCount, ...specs.map(({ node = 0 }) => node + 1));
  const at = await readAtStart(look, { ...start, nodeCount });
  const plan = {
    steps: [] as Step[],
    notes: [] as string[],
    byHand: [] as ByHand[],
    covered: [] as string[],
    larger: [] as Larger[],
  };
  const own: PoolSpec[] = [];
  for (const spec of specs) {
    const { pages, by = 'nobody' } = at(poolOf(spec));
    if (pages > spec.count && !shrink) plan.larger.push({ by, note: largerNote(by, spec, pages) });
    if (isOwn(by)) own.push(shrink ? spec : { ...spec, count: Math.max(pages, spec.count) });
    else if (pages < spec.count || (shrink && pages > spec.count)) own.push(spec);
    else plan.covered.push(`${poolText(spec, spec.count)} at each start: ${by} reserves ${pages} already`);
  }
  const unread = await unreadSysctl(look, start.systemd);
  if (unread !== undefined)
    plan.notes.push(`${unread.by} asks for ${unread.pages} hugepages, and systemd does not read it`);
  if (own.length === 0) return plan;
  if (!start.systemd) {
    const snippet = own.map((spec) => `echo ${spec.count} > ${fileOf(spec)}`).join('\n');
    const reason = 'systemd does not start this system, so something else has to reserve pages at each start';
    plan.byHand.push({ reason, snippet });
    return plan;
  }
  const settledIn = (spec: PoolSpec): string | undefined => {
    const { pages, by } = at(poolOf(spec));
    return pages === spec.count ? ownFileIn(by) : undefined;
  };
  const step = await persistStep(host, own, settledIn, { ...start, nodeCount });
  const others = own.flatMap((spec) => {
    const { pages, by } = at(poolOf(spec));
    return by === undefined || isOwn(by) || by === KERNEL
      ? []
      : [`${by} says ${poolText(spec, pages)} at each start; what counts is ${step.title.replace(/^.*: /, '')}`];
  });
  return { ...plan, steps: [step], notes: [...plan.notes, ...others] };
}

interface Draft {
  readonly path: string;
  readonly text: string;
}

/** The first of our files whose lines come to something. SETUP_REFUSED where somebody has the last word after them all. */
async function draftFor(host: Host, specs: readonly PoolSpec[], start: NextStart): Promise<Draft> {
  const look = new Look(host);
  let last: { by: string; pages: number; spec: PoolSpec } | undefined;
  for (const path of OWN_FILES) {
    const before = (await readSnapshot(host, path))?.text ?? '';
    const text = editPoolsConf(before, specs);
    const after = await readAtStart(look, start, new Map([[path, text]]));
    const counts = (spec: PoolSpec): boolean => {
      const { pages, by } = after(poolOf(spec));
      return pages === spec.count && ownFileIn(by) === path;
    };
    const wrong = specs.find((spec) => !counts(spec));
    if (wrong === undefined) return { path, text };
    const { by = 'somebody', pages } = after(poolOf(wrong));
    last = { by, pages, spec: wrong };
  }
  const { by = '', pages = 0, spec } = last ?? {};
  const what = spec === undefined ? '' : poolText(spec, spec.count);
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
  specs: readonly PoolSpec[],
  settledIn: (spec: PoolSpec) => string | undefined,
  start: NextStart,
): Promise<Step> {
  const open = specs.filter((spec) => settledIn(spec) === undefined);
  const settled = specs.filter((spec) => !open.includes(spec));
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
    why: `what is reserved in the running system (${specs.map(({ pageSize }) => shortSize(pageSize)).join(', ')}) is gone after a reboot`,
    current: settled.map((spec) => poolText(spec, spec.count)).join(', ') || 'none',
    wanted: specs.map((spec) => poolText(spec, spec.count)).join(', '),
    diff,
    actions,
    needsReboot: false,
  };
}
