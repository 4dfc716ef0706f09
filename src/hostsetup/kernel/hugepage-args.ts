import { VhostHostError } from '../../common/errors.js';
import { kernelSize } from '../../common/bytes.js';
import { kernelArgs, replaceArgs } from './args.js';
import type { KernelArg } from './args.js';
import { atLeast, countKey, pagesIn } from './hugepage-counts.js';

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

export interface HugepageSpec {
  readonly defaultSize?: string;
  /** Pools of other sizes that the command line has stay; a count of 0 takes a pool away. */
  readonly pools: readonly HugepagePool[];
  /** Also where the line reserves more; else the larger number stays, for somebody may count on it. */
  readonly shrink?: boolean;
}

interface Pool {
  readonly size: string;
  readonly count: string | undefined;
}

interface Unit {
  readonly defaultSize: string | undefined;
  readonly pools: readonly Pool[];
  /** No word contradicts another: what kernels make of those that do differs (Linux 5.8). */
  readonly plain: boolean;
}

const NAMES = ['default_hugepagesz', 'hugepagesz', 'hugepages'];

export const isHugepageArg = ({ name }: KernelArg): boolean => NAMES.includes(name);

/** `1G` in bytes; undefined for what the kernel would not take for a size. */
export function pageBytes(size: string): number | undefined {
  const bytes = kernelSize(size);
  return bytes === 0 ? undefined : bytes;
}

/** What the line asks for; `implicit` is the size of pages where it names none. */
export function hugepageUnit(line: string, implicit: string): Unit {
  const reader = new Reader(implicit);
  for (const { name, value = '' } of kernelArgs(line).filter(isHugepageArg)) reader.take(name, value);
  return reader.unit();
}

const keyOf = (size: string): string => `${pageBytes(size) ?? size}`;

/**
 * By the rules of mm/hugetlb.c since Linux 5.8: of several default sizes, and of several numbers for one size, the first
 * counts, and a number counts for the size before it, at first for the default, which may be named later.
 */
class Reader {
  readonly #implicit: string;
  readonly #pools = new Map<string, Pool>();
  #defaultSize: string | undefined;
  #leading: string | undefined;
  /** The size that the next number is for; `again`: the kernel has one for it already, and ignores that number. */
  #next: { readonly size: string; readonly again: boolean } | undefined;
  #plain = true;

  constructor(implicit: string) {
    this.#implicit = implicit;
  }

  take(name: string, value: string): void {
    if (name === 'hugepages') this.#count(value);
    else if (name === 'hugepagesz') this.#size(value);
    else this.#default(value);
  }

  #default(size: string): void {
    const again = this.#defaultSize !== undefined;
    if (again) this.#plain &&= keyOf(size) === keyOf(this.#defaultSize ?? '');
    else this.#defaultSize = size;
    this.#next = { size, again };
    if (again || this.#leading === undefined) return;
    this.#put(size, this.#leading);
    this.#leading = undefined;
  }

  #size(size: string): void {
    const there = this.#pools.get(keyOf(size));
    const isDefault = this.#defaultSize !== undefined && keyOf(this.#defaultSize) === keyOf(size);
    const again = there !== undefined && !(isDefault && there.count === undefined);
    if (!again) this.#put(size, undefined);
    this.#next = { size, again };
  }

  #count(count: string): void {
    const next = this.#next;
    if (next === undefined) {
      this.#plain &&= this.#leading === undefined || this.#leading === count;
      this.#leading ??= count;
      return;
    }
    const there = this.#pools.get(keyOf(next.size))?.count;
    if (!next.again && there === undefined) this.#put(next.size, count);
    else this.#plain &&= there !== undefined && countKey(there) === countKey(count);
  }

  #put(size: string, count: string | undefined): void {
    this.#pools.set(keyOf(size), { size, count });
  }

  unit(): Unit {
    const pools = [...this.#pools.values()];
    const size = this.#defaultSize ?? this.#implicit;
    const there = this.#pools.get(keyOf(size))?.count;
    if (this.#leading === undefined) return { defaultSize: this.#defaultSize, pools, plain: this.#plain };
    if (there !== undefined) return { defaultSize: this.#defaultSize, pools, plain: false };
    const others = pools.filter((pool) => keyOf(pool.size) !== keyOf(size));
    const all = [{ size, count: this.#leading }, ...others];
    return { defaultSize: this.#defaultSize, pools: all, plain: this.#plain };
  }
}

function merge(unit: Unit, spec: HugepageSpec): Unit {
  const requested = spec.pools.map(({ size }) => keyOf(size));
  const added = spec.pools
    .filter(({ count }) => count !== 0)
    .map(({ size, count }) => {
      const there = unit.pools.find((pool) => keyOf(pool.size) === keyOf(size))?.count;
      return { size, count: spec.shrink === true ? `${count}` : atLeast(there, `${count}`) };
    });
  const kept = unit.pools.filter(({ size }) => !requested.includes(keyOf(size)));
  return { defaultSize: spec.defaultSize ?? unit.defaultSize, pools: [...added, ...kept], plain: true };
}

/** A pool of the line that is larger than what is requested. */
export interface LargerPool {
  /** Bytes. */
  readonly pageSize: number;
  readonly pages: number;
  readonly wanted: number;
}

/** What `setHugepages` leaves on the line although less is requested. */
export function largerPools(line: string, spec: HugepageSpec, implicit: string): LargerPool[] {
  const unit = hugepageUnit(line, implicit);
  return spec.pools.flatMap(({ size, count }) => {
    const pages = pagesIn(unit.pools.find((pool) => keyOf(pool.size) === keyOf(size))?.count ?? '0');
    const wanted = pagesIn(`${count}`);
    return pages > wanted && wanted > 0 ? [{ pageSize: pageBytes(size) ?? 0, pages, wanted }] : [];
  });
}

/** A key that is equal where two units lead to the same pools. */
function meaning({ defaultSize, pools }: Unit): string {
  const list = pools.map(({ size, count }) => `${keyOf(size)}=${count === undefined ? '' : countKey(count)}`).sort();
  return [defaultSize === undefined ? '' : keyOf(defaultSize), ...list].join(' ');
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
export function setHugepages(line: string, spec: HugepageSpec, implicit: string): string {
  refuseOdd(spec);
  const unit = hugepageUnit(line, implicit);
  const wanted = merge(unit, spec);
  if (unit.plain && meaning(unit) === meaning(wanted)) return line;
  return replaceArgs(line, isHugepageArg, print(wanted));
}

function refuseOdd({ defaultSize, pools }: HugepageSpec): void {
  const sizes = [...(defaultSize === undefined ? [] : [defaultSize]), ...pools.map(({ size }) => size)];
  const size = sizes.find((text) => !/^\d+[KMGT]?$/i.test(text) || pageBytes(text) === undefined);
  if (size !== undefined) throw odd(`${size} is no page size`, 'sizes are written 1G, 2M');
  const count = pools.find((pool) => !/^(\d+|\d+:\d+(,\d+:\d+)*)$/.test(`${pool.count}`))?.count;
  if (count !== undefined) throw odd(`${count} is no number of pages`, 'a number, or per node: 0:2,1:2');
  const twice = pools.find(({ size }, i) => pools.findIndex((p) => keyOf(p.size) === keyOf(size)) !== i);
  if (twice !== undefined) throw odd(`${twice.size} pages are asked for twice`, 'one pool per size');
}

function odd(reason: string, hint: string): VhostHostError {
  return new VhostHostError('USAGE', `kernel arguments: ${reason}`, { hint });
}
