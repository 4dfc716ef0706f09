import { kernelSize } from '../../common/bytes.js';

/** Mounted file systems, as /proc tells of them. */

export interface Mount {
  readonly path: string;
  readonly type: string;
  readonly options: string;
}

/** Lines of /proc/mounts or of an fstab, both of which write blanks in paths as octal escapes. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [device, path, type, options] = line.trim().split(/[ \t]+/);
    if (device === undefined || device.startsWith('#') || path === undefined || type === undefined) return [];
    const plain = path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    return [{ path: plain, type, options: options ?? '' }];
  });
}

/** The mount that a path lies on: the longest one above it, of equals the one mounted last. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const above = mounts.filter((m) => m.path === '/' || path === m.path || path.startsWith(`${m.path}/`));
  return above.reduce<Mount | undefined>((best, m) => (best && best.path.length > m.path.length ? best : m), undefined);
}

/** The last `pagesize=` of a hugetlbfs, in bytes as the kernel reads it. */
export function pageSizeOption(options: string): number | undefined {
  const value = options.split(',').findLast((option) => option.startsWith('pagesize='));
  return value === undefined ? undefined : kernelSize(value.slice('pagesize='.length));
}
