import { pageSizeOption } from '../../host/kernel/mount-table.js';
import type { Mount } from '../../host/kernel/mount-table.js';
import { MIB } from '../../common/bytes.js';

/** What a path of guest memory lies on. */
export type Filesystem =
  { readonly kind: 'hugetlbfs'; readonly pageSize: number } | { readonly kind: 'memory' | 'other' | 'missing' };

export function filesystemOf(mount: Mount | undefined): Filesystem {
  if (mount?.type === 'hugetlbfs') return { kind: 'hugetlbfs', pageSize: pageSizeOption(mount.options) ?? 2 * MIB };
  return { kind: mount?.type === 'tmpfs' ? 'memory' : 'other' };
}
