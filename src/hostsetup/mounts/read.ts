import { pageSizeOption, parseMounts } from '../../host/kernel/mount-table.js';
import type { Look } from '../../host/tolerant-reader.js';
import { FSTAB } from './fstab.js';
import { isMountedAtStart, limitsTooSmall, misfit } from './options.js';
import type { Ids } from './options.js';
import { findUnit, hugetlbUnits } from './units.js';
import type { MountSpec } from './spec.js';
import { mountUnitName } from '../system/systemd.js';

/** Where hugetlbfs is mounted now, and where it is to be mounted at the next start. */

export interface HugetlbMount {
  readonly path: string;
  readonly pageSize: number;
}

export interface KeptMount extends HugetlbMount {
  readonly options: string;
  /** The fstab, the mount unit or its drop-in that says so. */
  readonly source: string;
  /** It names no size of pages, and gets those of the default. */
  readonly sizeless: boolean;
  /** systemd's own. */
  readonly systems: boolean;
  /** Not merely written down: no `noauto`, or a unit that something wants. */
  readonly atStart: boolean;
}

export interface MountFacts {
  readonly mounted: readonly HugetlbMount[];
  readonly kept: readonly KeptMount[];
}

/** Of a line in fstab and a unit for the same path, the one that counts. */
async function keptMounts(look: Look, defaultSize: number): Promise<KeptMount[]> {
  const kept: KeptMount[] = [];
  const paths = new Set<string>();
  const add = (mount: Pick<KeptMount, 'path' | 'options' | 'source' | 'systems' | 'atStart'>): void => {
    const named = pageSizeOption(mount.options);
    paths.add(mount.path);
    kept.push({ ...mount, pageSize: named ?? defaultSize, sizeless: named === undefined });
  };
  for (const { type, path, options } of parseMounts(await look.text(FSTAB))) {
    if (type !== 'hugetlbfs') continue;
    const unit = await findUnit(look, mountUnitName(path));
    if (unit?.beforeFstab === true && !unit.masked) continue;
    // systemd makes a unit of the line, which is wanted by whoever wants that name.
    const atStart = unit?.beforeFstab !== true && (isMountedAtStart(options) || (unit?.linked ?? false));
    add({ path, options, source: FSTAB, systems: false, atStart });
  }
  for (const { path, options, source, systems, linked } of await hugetlbUnits(look)) {
    if (!paths.has(path)) add({ path, options, source, systems, atStart: systems || linked });
  }
  return kept;
}

/** `defaultSize`: bytes of a page of a mount that names none; at the next start another one than now, where it is told. */
export async function readHugetlbMounts(look: Look, defaultSize: number, nextSize = defaultSize): Promise<MountFacts> {
  const mounted = parseMounts(await look.text('/proc/mounts')).filter(({ type }) => type === 'hugetlbfs');
  return {
    mounted: mounted.map(({ path, options }) => ({ path, pageSize: pageSizeOption(options) ?? defaultSize })),
    kept: await keptMounts(look, nextSize),
  };
}

/** Whether it is there at each start, with the pages, the rights and the room that the spec has. */
export function isRight(kept: KeptMount, spec: MountSpec, ids: Ids): boolean {
  return kept.atStart && misfit(kept, spec, ids) === undefined && limitsTooSmall(kept.options, spec).length === 0;
}
