import { VhostHostError } from '../../common/errors.js';
import { mountedAt } from '../../changes/mount.js';
import { pageSizeOption } from '../../host/kernel/mount-table.js';
import { shortSize } from '../../common/bytes.js';
import { foreignLinesFor, hasLineFor } from './fstab.js';
import { misfit } from './options.js';
import { findUnit } from './units.js';
import { isOwnText } from './persist.js';
import type { Place } from './persist.js';
import type { MountSpec } from './spec.js';
import { mountUnitName } from '../system/systemd.js';

/**
 * Which path a spec gets. A mount that another program was set up with (a line of fstab, a unit, one made by hand) keeps
 * its pages and its rights, or that program fails after the next start; the spec then gets a path of its own.
 */

export interface Placed {
  readonly spec: MountSpec;
  readonly note: string | undefined;
}

const sizedPath = ({ path, pageSize }: MountSpec): string => `${path}-${shortSize(pageSize)}`;

/** SETUP_REFUSED where the second path is taken as well. `now`: what is mounted at this moment counts, too. */
export async function placeFor(place: Place, spec: MountSpec, now: boolean): Promise<Placed> {
  const taken = await takenBy(place, spec, now);
  if (taken === undefined) return { spec, note: undefined };
  const other = { ...spec, path: sizedPath(spec) };
  const reason = `${spec.path} is somebody else's, and stays: ${taken}`;
  const second = await takenBy(place, other, now);
  if (second === undefined)
    return { spec: other, note: `${reason}; pages of ${shortSize(spec.pageSize)} get ${other.path}` };
  throw new VhostHostError('SETUP_REFUSED', `${reason}; so is ${other.path}: ${second}`, {
    hint: `findmnt -t hugetlbfs; grep hugetlbfs /etc/fstab`,
    details: { path: spec.path },
  });
}

/** What another program has there that is not as the spec would have it. */
async function takenBy(place: Place, spec: MountSpec, now: boolean): Promise<string | undefined> {
  const { look, systemd, nextSize, ids, fstab } = place;
  const text = fstab?.text ?? '';
  const unit = systemd.present ? await findUnit(look, mountUnitName(spec.path)) : undefined;
  const describe = (source: string, options: string): string | undefined => {
    const wrong = misfit({ options, pageSize: pageSizeOption(options) ?? nextSize }, spec, ids);
    return wrong === undefined ? undefined : `the mount in ${source} ${wrong}`;
  };
  if (unit?.beforeFstab !== true && hasLineFor(text, spec.path)) {
    const lines = foreignLinesFor(text, spec.path).filter(({ type }) => type === 'hugetlbfs');
    return lines.map(({ options }) => describe('/etc/fstab', options)).find((wrong) => wrong !== undefined);
  }
  if (unit !== undefined) {
    if (unit.masked || unit.type !== 'hugetlbfs') return undefined;
    if (isOwnText((await look.readOptional(unit.source)) ?? '')) return undefined;
    if (unit.systems && unit.source === unit.file) return undefined;
    const late = unit.linked || unit.installable || unit.systems;
    return describe(unit.source, unit.options) ?? (late ? undefined : `${unit.file} mounts it only on demand`);
  }
  return now ? byHand(place, spec) : undefined;
}

/** A mount that nobody has written down. */
async function byHand({ host, defaultSize }: Place, spec: MountSpec): Promise<string | undefined> {
  const there = await mountedAt(host, spec.path);
  const stat = await host.stat(spec.path);
  if (there?.type !== 'hugetlbfs' || stat === undefined) return undefined;
  const rights = `uid=${stat.uid},gid=${stat.gid},mode=${stat.mode.toString(8)}`;
  const options = there.options.split(',').filter((option) => !/^(uid|gid|mode)=/.test(option));
  const pageSize = pageSizeOption(there.options) ?? defaultSize;
  const wrong = misfit({ options: [...options, rights].join(','), pageSize }, spec, NOBODY_NAMED);
  return wrong === undefined ? undefined : `what is mounted there now ${wrong}`;
}

const NOBODY_NAMED = { users: new Map<string, number>(), groups: new Map<string, number>() };
