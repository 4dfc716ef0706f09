import { pageSizeOption, parseMounts } from '../mounts.js';
import type { Look } from './facts-look.js';
import { FSTAB } from './fstab.js';
import { hugetlbUnits, unitPageSize } from './mount-units.js';

/** Where hugetlbfs is mounted now, and where it is to be mounted at the next start. */

export interface HugetlbMount {
  readonly path: string;
  readonly pageSize: number;
}

export interface KeptMount extends HugetlbMount {
  readonly options: string;
  /** The fstab, the mount unit or its drop-in that says so. */
  readonly source: string;
}

export interface MountFacts {
  readonly mounted: readonly HugetlbMount[];
  readonly kept: readonly KeptMount[];
}

export async function readHugetlbMounts(look: Look, defaultSize: number): Promise<MountFacts> {
  const ofType = (text: string): (HugetlbMount & { options: string })[] =>
    parseMounts(text)
      .filter(({ type }) => type === 'hugetlbfs')
      .map(({ path, options }) => ({ path, options, pageSize: pageSizeOption(options) ?? defaultSize }));
  const units = await hugetlbUnits(look);
  return {
    mounted: ofType(await look.text('/proc/mounts')).map(({ path, pageSize }) => ({ path, pageSize })),
    kept: [
      ...ofType(await look.text(FSTAB)).map((mount) => ({ ...mount, source: FSTAB })),
      ...units.map((unit) => {
        const { path, options, source } = unit;
        return { path, options, source, pageSize: unitPageSize(unit, defaultSize) };
      }),
    ],
  };
}
