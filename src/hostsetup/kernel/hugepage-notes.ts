import { GIB, shortSize } from '../../common/bytes.js';
import { largerPools, pageBytes } from './hugepage-args.js';
import { pagesIn } from './hugepage-counts.js';
import { applySpec } from './spec.js';
import type { KernelArgsSpec } from './spec.js';
import { largerNote } from '../hugepages/growth.js';
import { KERNEL, cmaBytes } from '../hugepages/at-boot/kernel.js';

/** What the user has to know about the pools on a kernel command line, before the spec is put on it. */
export interface PagesOnLine {
  /** The line with the spec. */
  readonly line: string;
  readonly larger: readonly string[];
  readonly notes: readonly string[];
}

/** Bytes of all pages of a gigabyte and more. */
function gigantic({ hugepages }: KernelArgsSpec): number {
  if (hugepages === undefined || hugepages === 'none') return 0;
  const sizes = hugepages.pools.map(({ size, count }) => ({ bytes: pageBytes(size) ?? 0, pages: pagesIn(`${count}`) }));
  return sizes.filter(({ bytes }) => bytes >= GIB).reduce((sum, { bytes, pages }) => sum + bytes * pages, 0);
}

function cmaNotes(line: string, spec: KernelArgsSpec): string[] {
  const [area, needed] = [cmaBytes(line), gigantic(spec)];
  if (area === 0 || needed === 0) return [];
  const said = `hugetlb_cma= sets ${shortSize(area)} aside, and with it the kernel reserves no pages of 1G at boot`;
  const fits =
    needed <= area ? '' : `; ${shortSize(needed)} do not fit into it: make it larger, or take it off the line`;
  return [`${said}; they are taken from there afterwards, at each start${fits}`];
}

export function pagesOnLine(line: string, spec: KernelArgsSpec): PagesOnLine {
  const { hugepages, implicitSize = '2M' } = spec;
  const asked = hugepages === undefined || hugepages === 'none' || hugepages.shrink === true ? undefined : hugepages;
  const more = asked === undefined ? [] : largerPools(line, asked, implicitSize);
  const larger = more.map(({ pageSize, pages, wanted }) => largerNote(KERNEL, { pageSize, count: wanted }, pages));
  return { line: applySpec(line, spec), larger, notes: [...larger, ...cmaNotes(line, spec)] };
}
