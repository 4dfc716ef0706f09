import { pageSizeOption } from '../mounts.js';
import type { Look } from './facts-look.js';

/** Mount units of systemd as they take effect: the file of the highest directory, and what drop-ins say over it. */

/** The administrator's goes before the distribution's of the same name. */
const DIRECTORIES = ['/etc/systemd/system', '/run/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];

export interface MountUnit {
  readonly name: string;
  /** The file of the unit itself. */
  readonly file: string;
  /** The file that says the options: the unit or its last drop-in that has any. */
  readonly source: string;
  readonly path: string;
  readonly type: string;
  readonly options: string;
  /** Linked to /dev/null, or empty: systemd leaves it alone, and whatever lies below it. */
  readonly masked: boolean;
}

/** The last value, as systemd takes it for what is no list. */
function field(text: string, name: string): string | undefined {
  return [...text.matchAll(new RegExp(`^[ \\t]*${name}[ \\t]*=(.*)$`, 'gm'))].at(-1)?.[1]?.trim();
}

/** In the order in which systemd reads them: by name, whatever the directory; of one name the highest directory's. */
async function dropIns(look: Look, name: string): Promise<string[]> {
  const found = new Map<string, string>();
  for (const directory of DIRECTORIES) {
    for (const file of await look.list(`${directory}/${name}.d`)) {
      if (file.endsWith('.conf') && !found.has(file)) found.set(file, `${directory}/${name}.d/${file}`);
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

async function readUnit(look: Look, name: string, file: string): Promise<MountUnit> {
  const text = await look.text(file);
  const unit = { name, file, path: field(text, 'Where') ?? '', type: field(text, 'Type') ?? '' };
  let [source, options] = [file, field(text, 'Options') ?? ''];
  for (const path of await dropIns(look, name)) {
    const said = field(await look.text(path), 'Options');
    if (said !== undefined) [source, options] = [path, said];
  }
  return { ...unit, source, options, masked: text === '' };
}

export async function findUnit(look: Look, name: string): Promise<MountUnit | undefined> {
  for (const directory of DIRECTORIES) {
    const file = `${directory}/${name}`;
    if ((await look.lstat(file)) !== undefined) return readUnit(look, name, file);
  }
  return undefined;
}

export async function hugetlbUnits(look: Look): Promise<MountUnit[]> {
  const names = new Set<string>();
  for (const directory of DIRECTORIES) {
    for (const name of await look.list(directory)) if (name.endsWith('.mount')) names.add(name);
  }
  const units = await Promise.all([...names].map((name) => findUnit(look, name)));
  return units.flatMap((unit) => (unit?.type === 'hugetlbfs' && unit.path !== '' ? [unit] : []));
}

export function unitPageSize({ options }: MountUnit, defaultSize: number): number {
  return pageSizeOption(options) ?? defaultSize;
}
