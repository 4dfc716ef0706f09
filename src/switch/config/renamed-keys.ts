/** Keys of the configuration file that have another name by now; each old name is read for one release more. */

/** `list`: the key of the array whose objects have it. */
const RENAMED = [{ list: 'uplinks', old: 'strays', name: 'unknownUnicast' }] as const;

/** What is said about each old name that was used; the same of the file's keys as of options and commands. */
export function renamedLine(old: string, name: string): string {
  return `${old} is called ${name} now; the next release does not know the old name any more`;
}

type Entry = Readonly<Record<string, unknown>>;
const isEntry = (value: unknown): value is Entry =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where both names are given: the one line of the refusal. */
export interface Conflict {
  readonly conflict: string;
}

interface Renamed {
  /** The file's content with the names of today; what has another shape than a configuration is left as it is. */
  readonly value: unknown;
  /** One for each old name, however often it is used. */
  readonly warnings: readonly string[];
}

export function renameKeys(value: unknown): Renamed | Conflict {
  if (!isEntry(value)) return { value, warnings: [] };
  const out: Record<string, unknown> = { ...value };
  const warnings: string[] = [];
  for (const { list, old, name } of RENAMED) {
    const entries: unknown = out[list];
    if (!Array.isArray(entries)) continue;
    const both = entries.findIndex(
      (entry) => isEntry(entry) && Object.hasOwn(entry, old) && Object.hasOwn(entry, name),
    );
    if (both !== -1) return { conflict: `${list}[${both}]: "${old}" is the old name of "${name}", and both are given` };
    if (!entries.some((entry) => isEntry(entry) && Object.hasOwn(entry, old))) continue;
    warnings.push(renamedLine(`"${old}" of ${list}`, `"${name}"`));
    out[list] = entries.map((entry: unknown) => (isEntry(entry) ? withName(entry, old, name) : entry));
  }
  return { value: out, warnings };
}

function withName(entry: Entry, old: string, name: string): Entry {
  return Object.fromEntries(Object.entries(entry).map(([key, value]) => [key === old ? name : key, value]));
}
