import type { Look } from '../../host/tolerant-reader.js';
import { mountUnitName, mountUnitPath } from '../system/systemd.js';

/** Mount units of systemd as they take effect: the file of the highest directory, and what drop-ins say over it. */

/** The administrator's goes before the distribution's of the same name. */
const DIRECTORIES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];
/** fstab's lines become units that go before those of packages, and behind those of the administrator. */
const BEFORE_FSTAB = /^\/(etc|run)\//;
/** NixOS and Guix link all units, also systemd's, from /etc into what they have built. */
const BUILT = /^\/(nix|gnu)\/store\//;
/** systemd's own, for the default size; its sysinit.target wants it, so it needs no [Install]. */
const SYSTEMS = 'dev-hugepages.mount';

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
  /** A link says that something wants it at each start. */
  readonly linked: boolean;
  /** It says by whom it would be wanted, once it is enabled. */
  readonly installable: boolean;
  /** A line of fstab for the path counts for nothing beside it. */
  readonly beforeFstab: boolean;
  /** The one that comes with systemd, as it comes or with a drop-in. */
  readonly systems: boolean;
}

/** The last value in that section, as systemd takes it for what is no list; a backslash at its end joins lines. */
function field(text: string, section: string, name: string): string | undefined {
  let [here, value] = ['', undefined as string | undefined];
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    here = /^\s*\[([^\]]+)\]/.exec(line)?.[1] ?? here;
    const [, key, said] = /^\s*(\w+)\s*=(.*)$/.exec(line) ?? [];
    if (here === section && key === name) value = said?.trim();
  }
  return value;
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

/** Links in `*.wants` and `*.requires` of whatever target or service, wherever they lie. */
async function isWanted(look: Look, name: string): Promise<boolean> {
  for (const directory of DIRECTORIES) {
    for (const entry of await look.list(directory)) {
      if (!/\.(wants|requires)$/.test(entry)) continue;
      if ((await look.lstat(`${directory}/${entry}/${name}`)) !== undefined) return true;
    }
  }
  return false;
}

async function readUnit(look: Look, name: string, file: string): Promise<MountUnit> {
  const text = await look.text(file);
  let [source, options] = [file, field(text, 'Mount', 'Options') ?? ''];
  for (const path of await dropIns(look, name)) {
    const said = field(await look.text(path), 'Mount', 'Options');
    if (said !== undefined) [source, options] = [path, said];
  }
  const built = BUILT.test((await look.realpath(file)) ?? '');
  const systems = name === SYSTEMS && (built || !BEFORE_FSTAB.test(file));
  return {
    name,
    file,
    source,
    path: field(text, 'Mount', 'Where') ?? mountUnitPath(name),
    type: field(text, 'Mount', 'Type') ?? '',
    options,
    masked: text === '',
    linked: await isWanted(look, name),
    installable: (field(text, 'Install', 'WantedBy') ?? field(text, 'Install', 'RequiredBy')) !== undefined,
    beforeFstab: BEFORE_FSTAB.test(file),
    systems,
  };
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
  // systemd does not load a unit whose name says another path.
  const loads = (unit: MountUnit): boolean => unit.type === 'hugetlbfs' && mountUnitName(unit.path) === unit.name;
  return units.flatMap((unit) => (unit !== undefined && loads(unit) ? [unit] : []));
}
