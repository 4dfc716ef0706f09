import { KIB } from '../../common/bytes.js';
import { hugepageUnit, pageBytes } from './hugepage-args.js';
import { pagesIn } from './hugepage-counts.js';

export interface PagePair {
  readonly pageSize: number;
  readonly pages: number;
}

/** What a kernel command line reserves: each number counts for the size before it, at first for the default (bytes). */
export function bootPairs(words: readonly string[], builtInDefault: number): PagePair[] {
  const pages = new Map<number, number>();
  for (const { size, count } of hugepageUnit(words.join(' '), `${builtInDefault / KIB}K`).pools) {
    const pageSize = pageBytes(size);
    if (pageSize !== undefined && count !== undefined) pages.set(pageSize, pagesIn(count));
  }
  return [...pages].map(([pageSize, count]) => ({ pageSize, pages: count }));
}
