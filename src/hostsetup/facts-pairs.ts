import { KIB } from '../sizes.js';
import { hugepageUnit, pageBytes } from './kernel-hugepages.js';

export interface PagePair {
  readonly pageSize: number;
  readonly pages: number;
}

/** `5`, and by NUMA node `0:2,1:3`. */
function pagesOf(text: string): number {
  const counts = text.split(',').map((part) => Number(part.slice(part.indexOf(':') + 1)));
  return counts.reduce((sum, count) => sum + (Number.isSafeInteger(count) ? count : 0), 0);
}

/** What a kernel command line reserves: each number counts for the size before it, at first for the default (bytes). */
export function bootPairs(words: readonly string[], builtInDefault: number): PagePair[] {
  const pages = new Map<number, number>();
  for (const { size, count } of hugepageUnit(words.join(' '), `${builtInDefault / KIB}K`).pools) {
    const pageSize = pageBytes(size);
    if (pageSize !== undefined && count !== undefined) pages.set(pageSize, pagesOf(count));
  }
  return [...pages].map(([pageSize, count]) => ({ pageSize, pages: count }));
}
