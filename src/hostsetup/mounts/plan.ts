import { posix } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import { readPools } from '../../host/kernel/hugepages.js';
import { mountedAt } from '../../changes/mount.js';
import { pageSizeOption } from '../../host/kernel/mount-table.js';
import { shortSize } from '../../common/bytes.js';
import { readSnapshot } from '../../changes/steps.js';
import type { Action, Step } from '../../changes/steps.js';
import { Look } from '../../host/tolerant-reader.js';
import { isRight, readHugetlbMounts } from './read.js';
import type { KeptMount } from './read.js';
import { FSTAB } from './fstab.js';
import { implicitPageSize } from '../kernel/running.js';
import { fitRights, limitsTooSmall, optionsOf, readIds } from './options.js';
import { keep } from './persist.js';
import type { Place } from './persist.js';
import { checkMount, mountNow } from './mount-now.js';
import { placeFor } from './mount-point.js';
import { defaultPageSize } from '../hugepages/at-boot/kernel.js';
import { findSystemd } from '../system/systemd.js';
import type { PartPlan } from '../../changes/part-plan.js';
import { poolFor } from '../hugepages/growth.js';
import type { Host } from '../../host/host.js';
import type { MountsSpec, MountSpec } from './spec.js';

/** Mounts of hugetlbfs: now, and again at each start of the system. */

/** Looks, and changes nothing. SETUP_REFUSED where the path is something else's. */
export async function planMounts(host: Host, { mounts, now, line }: MountsSpec): Promise<PartPlan> {
  const look = new Look(host);
  const { pools, defaultPageSize: defaultSize } = await readPools(look);
  const nextSize = line === undefined ? defaultSize : defaultPageSize(line, await implicitPageSize(host));
  const { kept } = await readHugetlbMounts(look, defaultSize, nextSize);
  const systemd = await findSystemd(host);
  const place = { host, look, systemd, defaultSize, nextSize, ids: await readIds(look) };
  let fstab = await readSnapshot(host, FSTAB);
  const plan: { steps: Step[]; notes: string[] } = { steps: [], notes: [] };
  for (const asked of mounts) {
    const atOnce = now && asked.atStart !== true;
    refuseStrangePath(asked);
    if (atOnce) poolFor(asked.pageSize, pools);
    const elsewhere = await findElsewhere(place, asked, mounts, kept, atOnce);
    if (elsewhere !== undefined) {
      plan.steps.push(doneStep(asked, elsewhere));
      continue;
    }
    const { spec, note } = await placeFor({ ...place, fstab }, asked, now);
    const keeping = await keep({ ...place, fstab }, spec);
    fstab = keeping.fstab;
    const mounting = atOnce ? await mountNow(host, spec, defaultSize) : undefined;
    plan.steps.push(mountStep(spec, keeping, mounting, defaultSize));
    if (note !== undefined) plan.notes.push(note);
  }
  if (now && plan.steps.some(({ actions }) => actions.some(({ kind }) => kind === 'mount'))) {
    plan.notes.push('libvirt looks for hugetlbfs mounts when its daemon starts: restart it (running guests go on)');
  }
  return plan;
}

function refuseStrangePath({ path }: MountSpec): void {
  // Quotes, backslashes and percent signs mean something of their own in units.
  // eslint-disable-next-line no-control-regex
  const strange = /[\u0000-\u001f"'%$\\]/.test(path);
  const plain = posix.isAbsolute(path) && posix.normalize(path) === path && path !== '/' && !path.endsWith('/');
  if (strange || !plain) {
    throw new VhostHostError('USAGE', `${JSON.stringify(path)} is no path for a mount`, {
      hint: 'an absolute path such as /mnt/huge',
    });
  }
}

/** Another place with the same pages and rights, mounted at each start, that no other spec makes something else of. */
async function findElsewhere(
  { host, ids }: Pick<Place, 'host' | 'ids'>,
  spec: MountSpec,
  all: readonly MountSpec[],
  mounts: readonly KeptMount[],
  now: boolean,
): Promise<string | undefined> {
  for (const mount of mounts) {
    const { path, pageSize, source } = mount;
    if (path === spec.path || all.some((other) => other.path === path) || !isRight(mount, spec, ids)) continue;
    if (!now) return `${path} by ${source}`;
    const there = await mountedAt(host, path);
    const stat = await host.stat(path);
    const right = there?.type === 'hugetlbfs' && pageSizeOption(there.options) === pageSize;
    if (right && stat !== undefined && fitRights(spec, stat)) return `${path} by ${source}`;
  }
  return undefined;
}

function base(spec: MountSpec): Pick<Step, 'id' | 'title' | 'why' | 'wanted' | 'needsReboot'> {
  const size = shortSize(spec.pageSize);
  return {
    id: `hugetlbfs:${spec.path}`,
    title: `hugetlbfs of ${size} at ${spec.path}`,
    why: `programs that want pages of ${size} by a file find them in such a mount, libvirt among them`,
    wanted: `${spec.path} with ${optionsOf(spec)}, at each start`,
    needsReboot: false,
  };
}

function doneStep(spec: MountSpec, elsewhere: string): Step {
  return { ...base(spec), current: elsewhere, diff: '', actions: [] };
}

function lineOf(action: Action): string {
  if (action.kind !== 'mount') return '';
  return `${action.path}: ${action.replaces ?? 'not mounted'} -> ${action.options}\n`;
}

function mountStep(
  spec: MountSpec,
  kept: Awaited<ReturnType<typeof keep>>,
  mounting: Awaited<ReturnType<typeof mountNow>> | undefined,
  defaultSize: number,
): Step {
  const now = mounting?.actions ?? [];
  const amiss = kept.amiss === '' ? 'not at each start' : kept.amiss;
  const state = kept.actions.length > 0 ? amiss : `at each start by ${kept.where}`;
  return {
    ...base(spec),
    current: mounting === undefined ? state : `${mounting.current}; ${state}`,
    diff: kept.diff + now.map(lineOf).join(''),
    actions: [...kept.actions, ...now],
    verify: async (host) => (mounting === undefined ? undefined : checkMount(host, spec, defaultSize)),
    remark: async (host) => (mounting === undefined ? undefined : narrowNow(host, spec)),
  };
}

/** The kernel takes limits of a hugetlbfs only when it is mounted. */
async function narrowNow(host: Host, spec: MountSpec): Promise<string | undefined> {
  const limits = limitsTooSmall((await mountedAt(host, spec.path))?.options ?? '', spec);
  if (limits.length === 0) return undefined;
  return `${spec.path} keeps ${limits.join(',')} until it is mounted anew: at the next start, or after umount ${spec.path}`;
}
