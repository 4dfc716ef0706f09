import type { ConfFile } from '../../system/conf-files.js';
import { globMatches } from '../../system/conf-files.js';

/**
 * Lines of sysctl.d for the pool of the default page size, as systemd-sysctl reads them (src/sysctl/sysctl.c): of one key
 * the last line counts, whatever its file; a pattern never counts for a key that has a line of its own, not even where
 * that line only says "leave it out" (`-key`).
 */

export interface SysctlPages {
  readonly pages: number;
  readonly by: string;
}

/** Both set the same pool; as an option of nobody's memory policy the second means all nodes. */
const KEYS = ['vm/nr_hugepages', 'vm/nr_hugepages_mempolicy'];

/** Of `.` and `/` the one that comes first parts the names, and then the other stands for itself. */
function normalized(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  if (first !== '.') return key;
  return key.replace(/[./]/g, (letter) => (letter === '.' ? '/' : '.'));
}

interface Entry extends SysctlPages {
  /** undefined: the key is left out. */
  readonly value: string | undefined;
}

/** proc_doulongvec_minmax(): the first number, in any base of C. */
function pagesOf(value: string): number | undefined {
  const digits = /^(0x[0-9a-f]+|\d+)/i.exec(value)?.[1];
  if (digits === undefined) return undefined;
  return /^0[0-7]+$/.test(digits) ? parseInt(digits, 8) : Number(digits);
}

function entries(files: readonly ConfFile[]): Map<string, Entry> {
  const found = new Map<string, Entry>();
  for (const { path, text } of files) {
    text.split('\n').forEach((raw, i) => {
      const line = raw.trim();
      if (line === '' || /^[#;]/.test(line)) return;
      const at = line.indexOf('=');
      const [key, value] = at < 0 ? [line, undefined] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      // Without a value it has to begin with a minus sign.
      if (value === undefined && !key.startsWith('-')) return;
      const name = normalized(key.replace(/^-/, ''));
      const before = found.get(name);
      if (before !== undefined && before.value === value) return;
      found.delete(name);
      found.set(name, { value, pages: pagesOf(value ?? '') ?? 0, by: `${path}:${i + 1}` });
    });
  }
  return found;
}

const isPattern = (name: string): boolean => /[*?[]/.test(name);

/** Writes to the pool of the default size, in the order in which they are done. */
export function sysctlWrites(files: readonly ConfFile[]): SysctlPages[] {
  const all = entries(files);
  return [...all].flatMap(([name, { value, pages, by }]) => {
    if (value === undefined || pagesOf(value) === undefined) return [];
    const meant = isPattern(name)
      ? KEYS.filter((key) => !all.has(key) && globMatches(name, key))
      : KEYS.filter((key) => key === name);
    return meant.map(() => ({ pages, by }));
  });
}
