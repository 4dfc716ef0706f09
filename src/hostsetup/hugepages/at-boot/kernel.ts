import { GIB, kernelSize } from '../../../common/bytes.js';
import { kernelArgs } from '../../kernel/args.js';
import { hugepageUnit, pageBytes } from '../../kernel/hugepage-args.js';
import { pagesByNode, pagesIn } from '../../kernel/hugepage-counts.js';
import type { StartWrite } from './writes.js';

/** What a kernel command line reserves. */

export const KERNEL = 'the kernel arguments';

/**
 * Bytes that `hugetlb_cma=` sets aside for pages of a gigabyte and more; of such pages the kernel then takes none at
 * boot ("hugetlb_cma is enabled, skip boot time allocation"), but makes them there when they are asked for later.
 * 0 where it does not come to that: less than a page, or `hugetlb_cma_only`, with which it makes them at boot.
 */
export function cmaBytes(line: string): number {
  const args = kernelArgs(line);
  const only = args.findLast(({ name }) => name === 'hugetlb_cma_only')?.value ?? 'off';
  if (/^(1|y|t|on$)/i.test(only)) return 0;
  const value = args.findLast(({ name }) => name === 'hugetlb_cma')?.value ?? '';
  const parts = value.split(',').map((part) => kernelSize(part.replace(/^\d+:/, '')) ?? 0);
  const bytes = parts.reduce((sum, part) => sum + part, 0);
  return bytes >= GIB ? bytes : 0;
}

/** The size, in bytes, of pages that name none once the kernel was started so. */
export function defaultPageSize(line: string, implicit: string): number {
  const size = hugepageUnit(line, implicit).defaultSize ?? implicit;
  return pageBytes(size) ?? pageBytes(implicit) ?? 0;
}

/** `implicit`: the size that `hugepages=` means on a line that names none. */
export function kernelWrites(line: string, implicit: string): StartWrite[] {
  const skipped = cmaBytes(line) > 0;
  const reserved = hugepageUnit(line, implicit).pools.flatMap(({ size, count }): StartWrite[] => {
    const pageSize = pageBytes(size);
    if (pageSize === undefined || count === undefined || (skipped && pageSize >= GIB)) return [];
    const nodes = pagesByNode(count);
    if (nodes === undefined) return [{ pageSize, node: undefined, pages: pagesIn(count), by: KERNEL }];
    return [...nodes].map(([node, pages]) => ({ pageSize, node, pages, by: KERNEL }));
  });
  // Linux 5.8 and later take settings of sysctl there, right before the first process.
  const settings = kernelArgs(line).flatMap(({ name, value = '' }): StartWrite[] => {
    if (!/^sysctl[./]vm[./]nr_hugepages(_mempolicy)?$/.test(name)) return [];
    return [{ pageSize: defaultPageSize(line, implicit), node: undefined, pages: pagesIn(value), by: KERNEL }];
  });
  return [...reserved, ...settings];
}
