import { optionsIn } from './bls.js';
import type { BootHost } from '../method.js';
import { kernelArgs } from '../../kernel/args.js';

/** systemd-boot: which entries it has, and which of them it is going to start (loader.conf(5), systemd-boot(7)). */

export interface LoaderEntry {
  /** The name that patterns are compared with. */
  readonly id: string;
  readonly path: string;
  /** A file with options, or a unified kernel image, which has its command line in itself. */
  readonly kind: 'file' | 'image';
  readonly text: string;
  readonly version: string;
  readonly sortKey: string | undefined;
  readonly machineId: string | undefined;
  /** Its attempts are used up. */
  readonly bad: boolean;
}

export interface Loader {
  /** In the order of the menu. */
  readonly entries: readonly LoaderEntry[];
  /** What starts next; undefined where that is no entry of a file, such as another system. */
  readonly boots: LoaderEntry | undefined;
  /** Where that is said. */
  readonly says: string;
}

const ROOTS: readonly string[] = ['/boot', '/efi', '/boot/efi'];
const EFI_VARIABLES = '/sys/firmware/efi/efivars';
const LOADER_GUID = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';

/** A variable of the boot loader interface: four bytes of attributes, then UTF-16 of which only ASCII is used. */
async function efiVariable(host: BootHost, name: string): Promise<string | undefined> {
  const text = await host.readOptional(`${EFI_VARIABLES}/${name}-${LOADER_GUID}`);
  const value = text?.slice(4).replaceAll('\0', '');
  return value === '' ? undefined : value;
}

/** The boot loader that has started this system, by what it says of itself. */
export async function startedBy(host: BootHost): Promise<'systemd-boot' | 'grub' | undefined> {
  const info = (await efiVariable(host, 'LoaderInfo')) ?? '';
  return info.startsWith('systemd-boot') ? 'systemd-boot' : info.startsWith('GRUB') ? 'grub' : undefined;
}

/** The loader's own configuration; empty where nobody has written one. */
async function loaderConf(
  host: BootHost,
  roots: readonly string[],
): Promise<{ path: string; text: string } | undefined> {
  for (const root of roots) {
    const path = `${root}/loader/loader.conf`;
    const text = await host.readOptional(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

export async function hasLoader(host: BootHost, roots = ROOTS): Promise<boolean> {
  return (await loaderConf(host, roots)) !== undefined;
}

const field = (text: string, name: string): string | undefined =>
  new RegExp(`^[ \\t]*${name}[ \\t]+(.*?)[ \\t]*$`, 'm').exec(text)?.[1];

async function entriesIn(host: BootHost, root: string, systemId: string): Promise<LoaderEntry[]> {
  const found: LoaderEntry[] = [];
  const places = [
    ['loader/entries', '.conf', 'file'],
    ['EFI/Linux', '.efi', 'image'],
  ] as const;
  for (const [dir, end, kind] of places) {
    for (const name of await host.list(`${root}/${dir}`)) {
      if (!name.toLowerCase().endsWith(end)) continue;
      const path = `${root}/${dir}/${name}`;
      const text = kind === 'file' ? ((await host.readOptional(path)) ?? '') : '';
      const [, stem = name, tries] = /^(.*?)(?:\+(\d+)(?:-\d+)?)?\.\w+$/.exec(name) ?? [];
      found.push({
        id: `${stem}${end}`.toLowerCase(),
        path,
        kind,
        text,
        version: kind === 'file' ? (field(text, 'version') ?? '') : '',
        // That of an image is in its own os-release, which is this system's.
        sortKey: kind === 'file' ? field(text, 'sort-key') : systemId,
        machineId: field(text, 'machine-id'),
        bad: tries === '0',
      });
    }
  }
  return found;
}

/** Numbers in a name count as numbers. */
const versions = new Intl.Collator('en', { numeric: true });
const before = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of the menu: the first is what starts where nobody says otherwise. */
function byRank(a: LoaderEntry, b: LoaderEntry): number {
  const keys = a.sortKey !== undefined && b.sortKey !== undefined;
  return (
    Number(a.bad) - Number(b.bad) ||
    Number(a.sortKey === undefined) - Number(b.sortKey === undefined) ||
    (keys ? before(a.sortKey, b.sortKey) || before(a.machineId ?? '', b.machineId ?? '') : 0) ||
    (keys ? versions.compare(b.version, a.version) : 0) ||
    versions.compare(b.id, a.id)
  );
}

function glob(pattern: string): RegExp {
  const parts = pattern.toLowerCase().match(/\[[^\]]+\]|[^]/g) ?? [];
  const source = parts.map((part) => {
    if (part === '*') return '[^]*';
    if (part === '?') return '[^]';
    return part.startsWith('[') && part.length > 1
      ? part.replace(/^\[!/, '[^')
      : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`);
}

interface Saying {
  readonly pattern: string;
  readonly says: string;
}

/** Who names the entry, the strongest first. */
async function sayings(host: BootHost, roots: readonly string[]): Promise<Saying[]> {
  const found: Saying[] = [];
  const ask = async (name: string): Promise<void> => {
    const pattern = await efiVariable(host, name);
    if (pattern !== undefined) found.push({ pattern, says: `the EFI variable ${name}` });
  };
  await ask('LoaderEntryOneShot');
  await ask('LoaderEntryDefault');
  const conf = await loaderConf(host, roots);
  const lines = conf?.text.split('\n') ?? [];
  const at = lines.findLastIndex((line) => /^[ \t]*default[ \t]+\S/.test(line));
  const pattern = /^[ \t]*default[ \t]+(.*?)[ \t]*$/.exec(lines[at] ?? '')?.[1];
  if (pattern === '@saved') await ask('LoaderEntryLastBooted');
  else if (pattern !== undefined && conf !== undefined) found.push({ pattern, says: `${conf.path}:${at + 1}` });
  return found;
}

/** `roots`: where its partitions are mounted. undefined where there is neither an entry nor a configuration of it. */
export async function readLoader(host: BootHost, roots = ROOTS): Promise<Loader | undefined> {
  const release =
    (await host.readOptional('/etc/os-release')) ?? (await host.readOptional('/usr/lib/os-release')) ?? '';
  const systemId = /^ID=["']?([\w.-]+)/m.exec(release)?.[1] ?? '';
  const found = new Map<string, LoaderEntry>();
  for (const root of roots) {
    for (const entry of await entriesIn(host, root, systemId)) {
      found.set((await host.realpath(entry.path)) ?? entry.path, entry);
    }
  }
  const entries = [...found.values()].sort(byRank);
  if (entries.length === 0 && !(await hasLoader(host, roots))) return undefined;
  for (const { pattern, says } of await sayings(host, roots)) {
    const boots = entries.find(({ id }) => glob(pattern).test(id));
    // Entries that it finds by itself: other systems, a shell, the firmware.
    if (boots !== undefined || /^auto-/i.test(pattern)) return { entries, boots, says: `${says} (${pattern})` };
  }
  return { entries, boots: entries.find(({ bad }) => !bad), says: 'the first entry of its menu' };
}

const ROOT_NAMES = ['root', 'zfs', 'ostree', 'rootflags'];

/** What a command line takes for the root file system. */
function rootOf(line: string): string {
  const named = kernelArgs(line).filter(({ name }) => ROOT_NAMES.includes(name));
  return named
    .map(({ text }) => text)
    .sort()
    .join(' ');
}

/** The entries of this system, of which several may share a boot partition. */
export async function ownEntries(host: BootHost, { entries, boots }: Loader): Promise<LoaderEntry[]> {
  const machineId = (await host.readOptional('/etc/machine-id'))?.trim() || undefined;
  const lines = [await host.readOptional('/etc/kernel/cmdline'), await host.readOptional('/proc/cmdline')];
  if (boots?.kind === 'file' && field(boots.text, 'linux') !== undefined) lines.push(optionsIn(boots.text));
  const roots = lines.flatMap((line) => (line === undefined ? [] : [rootOf(line)]));
  return entries.filter((entry) => {
    if (entry.kind !== 'file' || !/^[ \t]*(linux|efi)[ \t]/m.test(entry.text)) return false;
    if (entry.machineId !== undefined && machineId !== undefined) return entry.machineId === machineId;
    // What is no Linux has no options of this kind.
    const root = rootOf(optionsIn(entry.text));
    return field(entry.text, 'linux') !== undefined
      ? roots.length === 0 || roots.includes(root)
      : root !== '' && roots.includes(root);
  });
}
