import { parseSize } from './size.js';

/** What a path of guest memory lies on. */
export type Filesystem =
  { readonly kind: 'hugetlbfs'; readonly pageSize: number } | { readonly kind: 'memory' | 'other' | 'missing' };

interface Mount {
  readonly path: string;
  readonly type: string;
  readonly options: string;
}

/** /proc/self/mounts writes blanks in paths as octal escapes. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, path, type, options] = line.split(' ');
    if (path === undefined || type === undefined) return [];
    const plain = path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    return [{ path: plain, type, options: options ?? '' }];
  });
}

/** The mount that a path lies on: the longest one above it, of equals the one mounted last. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const above = mounts.filter((m) => m.path === '/' || path === m.path || path.startsWith(`${m.path}/`));
  return above.reduce<Mount | undefined>((best, m) => (best && best.path.length > m.path.length ? best : m), undefined);
}

export function filesystemOf(mount: Mount | undefined): Filesystem {
  if (mount?.type === 'hugetlbfs') {
    const size = /(?:^|,)pagesize=([^,]+)/.exec(mount.options)?.[1];
    return { kind: 'hugetlbfs', pageSize: parseSize(size ?? '2M', 1) };
  }
  return { kind: mount?.type === 'tmpfs' ? 'memory' : 'other' };
}
