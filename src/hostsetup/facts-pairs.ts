import { pageSizeOption } from '../mounts.js';

export interface PagePair {
  readonly pageSize: number;
  readonly pages: number;
}

/** `1G`, `2M` as the kernel reads them. */
const sizeOf = (text: string): number | undefined => pageSizeOption(`pagesize=${text}`);

/** `5`, and by NUMA node `0:2,1:3`. */
function pagesOf(text: string): number {
  const counts = text.split(',').map((part) => Number(part.slice(part.indexOf(':') + 1)));
  return counts.reduce((sum, count) => sum + (Number.isSafeInteger(count) ? count : 0), 0);
}

/** What a kernel command line reserves: each number counts for the size before it, at first for the default. */
export function bootPairs(words: readonly string[], builtInDefault: number): PagePair[] {
  const value = (word: string): string => word.slice(word.indexOf('=') + 1);
  const told = words.filter((word) => word.startsWith('default_hugepagesz=')).at(-1);
  const normal = (told === undefined ? undefined : sizeOf(value(told))) ?? builtInDefault;
  const pages = new Map<number, number>();
  let size = normal;
  for (const word of words) {
    if (word.startsWith('hugepagesz=')) size = sizeOf(value(word)) ?? normal;
    if (word.startsWith('hugepages=')) pages.set(size, pagesOf(value(word)));
  }
  return [...pages].map(([pageSize, count]) => ({ pageSize, pages: count }));
}
