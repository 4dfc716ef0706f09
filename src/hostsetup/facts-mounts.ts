import { pageSizeOption, parseMounts } from '../mounts.js';
import type { Look } from './facts-look.js';

/** Where hugetlbfs is mounted now, and where it is to be mounted at the next start. */

export interface HugetlbMount {
  readonly path: string;
  readonly pageSize: number;
}

export interface KeptMount extends HugetlbMount {
  /** The fstab or the mount unit that says so. */
  readonly source: string;
}

export interface MountFacts {
  readonly mounted: readonly HugetlbMount[];
  readonly kept: readonly KeptMount[];
}

const FSTAB = '/etc/fstab';
/** The administrator's goes before the distribution's of the same name. */
const UNIT_DIRECTORIES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

function unitField(text: string, name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]?.trim();
}

async function readUnits(look: Look, defaultSize: number): Promise<KeptMount[]> {
  const seen = new Map<string, KeptMount | undefined>();
  for (const directory of UNIT_DIRECTORIES) {
    for (const name of await look.list(directory)) {
      if (!name.endsWith('.mount') || seen.has(name)) continue;
      const source = `${directory}/${name}`;
      const text = await look.text(source);
      const path = unitField(text, 'Where');
      // A masked unit is an empty one, and hides those below it as well.
      const ours = unitField(text, 'Type') === 'hugetlbfs' && path !== undefined;
      const pageSize = pageSizeOption(unitField(text, 'Options') ?? '') ?? defaultSize;
      seen.set(name, ours ? { path, pageSize, source } : undefined);
    }
  }
  return [...seen.values()].filter((mount) => mount !== undefined);
}

export async function readHugetlbMounts(look: Look, defaultSize: number): Promise<MountFacts> {
  const ofType = (text: string): HugetlbMount[] =>
    parseMounts(text)
      .filter(({ type }) => type === 'hugetlbfs')
      .map(({ path, options }) => ({ path, pageSize: pageSizeOption(options) ?? defaultSize }));
  const inFstab = ofType(await look.text(FSTAB)).map((mount) => ({ ...mount, source: FSTAB }));
  return {
    mounted: ofType(await look.text('/proc/mounts')),
    kept: [...inFstab, ...(await readUnits(look, defaultSize))],
  };
}
