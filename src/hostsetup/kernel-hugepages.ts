import { VhostHostError } from '../errors.js';
import { kernelArgs, replaceArgs } from './kernel-args.js';
import type { KernelArg } from './kernel-args.js';

/**
 * The hugepage arguments of a command line as the one ordered unit that they are: `hugepages=` means the size
 * named last before it, so that none of them may be sorted, repeated or moved on its own.
 */

export interface HugepagePool {
  /** As the kernel reads it: `1G`, `2M`. */
  readonly size: string;
  /** A number, or per NUMA node `0:2,1:2` (Linux 5.16 and later). */
  readonly count: number | string;
}

export interface HugepageWish {
  readonly defaultSize?: string;
  /** Pools of other sizes that the command line has stay; a count of 0 takes a pool away. */
  readonly pools: readonly HugepagePool[];
}

interface Pool {
  readonly size: string;
  readonly count: string | undefined;
}

interface Unit {
  readonly defaultSize: string | undefined;
  readonly pools: readonly Pool[];
}

const NAMES = ['default_hugepagesz', 'hugepagesz', 'hugepages'];

export const isHugepageArg = ({ name }: KernelArg): boolean => NAMES.includes(name);

const SHIFT = new Map(['', 'K', 'M', 'G', 'T'].map((unit, i) => [unit, 1024 ** i]));

/** `1G` in bytes; undefined for what the kernel would not take for a size. */
export function pageBytes(size: string): number | undefined {
  const found = /^(\d+)([KMGT]?)$/i.exec(size);
  return found === null ? undefined : Number(found[1]) * (SHIFT.get((found[2] ?? '').toUpperCase()) ?? 1);
}

/** Pages altogether, of a number or of one per NUMA node (`0:2,1:2`). */
export function pageCount(count: string): number {
  const counts = count.split(',').map((part) => Number(part.slice(part.indexOf(':') + 1)));
  return counts.reduce((sum, pages) => sum + (Number.isSafeInteger(pages) ? pages : 0), 0);
}

/** What the line asks for; `implicit` is the size of pages where it names none. */
export function hugepageUnit(line: string, implicit: string): Unit {
  const args = kernelArgs(line).filter(isHugepageArg);
  const defaultSize = args.findLast(({ name }) => name === 'default_hugepagesz')?.value;
  const pools: Pool[] = [];
  let size: string | undefined;
  for (const { name, value = '' } of args) {
    if (name === 'hugepagesz') {
      if (size !== undefined) pools.push({ size, count: undefined });
      size = value;
    } else if (name === 'hugepages') {
      pools.push({ size: size ?? defaultSize ?? implicit, count: value });
      size = undefined;
    }
  }
  if (size !== undefined) pools.push({ size, count: undefined });
  return { defaultSize, pools };
}

function merge(unit: Unit, wish: HugepageWish): Unit {
  const wished = wish.pools.map(({ size }) => pageBytes(size));
  const added = wish.pools.filter(({ count }) => count !== 0).map(({ size, count }) => ({ size, count: `${count}` }));
  const kept = unit.pools.filter(({ size }) => !wished.includes(pageBytes(size)));
  return { defaultSize: wish.defaultSize ?? unit.defaultSize, pools: [...added, ...kept] };
}

/** A key that is equal where two units lead to the same pools. */
function meaning({ defaultSize, pools }: Unit): string {
  const key = (size: string): string => `${pageBytes(size) ?? size}`;
  const list = pools.map(({ size, count }) => `${key(size)}=${count ?? ''}`).sort();
  return [defaultSize === undefined ? '' : key(defaultSize), ...list].join(' ');
}

function print({ defaultSize, pools }: Unit): string[] {
  const first = defaultSize === undefined ? [] : [`default_hugepagesz=${defaultSize}`];
  const pairs = pools.flatMap(({ size, count }) => [
    `hugepagesz=${size}`,
    ...(count === undefined ? [] : [`hugepages=${count}`]),
  ]);
  return [...first, ...pairs];
}

/** The line with these pools. One that has them already, however written, stays as it is. */
export function setHugepages(line: string, wish: HugepageWish, implicit: string): string {
  refuseOdd(wish);
  const unit = hugepageUnit(line, implicit);
  const wanted = merge(unit, wish);
  if (meaning(unit) === meaning(wanted)) return line;
  return replaceArgs(line, isHugepageArg, print(wanted));
}

function refuseOdd({ defaultSize, pools }: HugepageWish): void {
  const sizes = [...(defaultSize === undefined ? [] : [defaultSize]), ...pools.map(({ size }) => size)];
  const size = sizes.find((text) => (pageBytes(text) ?? 0) === 0);
  if (size !== undefined) throw odd(`${size} is no page size`, 'sizes are written 1G, 2M');
  const count = pools.find((pool) => !/^(\d+|\d+:\d+(,\d+:\d+)*)$/.test(`${pool.count}`))?.count;
  if (count !== undefined) throw odd(`${count} is no number of pages`, 'a number, or per node: 0:2,1:2');
  const twice = pools.find(({ size }, i) => pools.findIndex((p) => pageBytes(p.size) === pageBytes(size)) !== i);
  if (twice !== undefined) throw odd(`${twice.size} pages are asked for twice`, 'one pool per size');
}

function odd(reason: string, hint: string): VhostHostError {
  return new VhostHostError('USAGE', `kernel arguments: ${reason}`, { hint });
}
