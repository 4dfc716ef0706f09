import { kernelArgs, replaceArgs } from './args.js';
import type { KernelArg } from './args.js';
import { isHugepageArg, setHugepages } from './hugepage-args.js';
import type { HugepageWish } from './hugepage-args.js';
import { isIommuArg, setIommu } from './iommu-args.js';
import type { IommuVendor } from './iommu-args.js';

/** What shall stand on the kernel's command line. What is not named stays as it is. */
export interface KernelWish {
  readonly hugepages?: HugepageWish | 'none';
  readonly iommu?: IommuVendor;
  /** Size of the pages that `hugepages=` means on a line that names none; 2M unless told. */
  readonly implicitSize?: string;
}

/** The line as it shall be; the same text where it is so already. */
export function applyWish(line: string, { hugepages, iommu, implicitSize = '2M' }: KernelWish): string {
  const withPages =
    hugepages === undefined
      ? line
      : hugepages === 'none'
        ? kernelArgs(line).some(isHugepageArg)
          ? replaceArgs(line, isHugepageArg, [])
          : line
        : setHugepages(line, hugepages, implicitSize);
  return iommu === undefined ? withPages : setIommu(withPages, iommu);
}

/** Whether the line says all that is wished for. */
export function fulfils(line: string, wish: KernelWish): boolean {
  return applyWish(line, wish) === line;
}

export function isOwnArg(wish: KernelWish): (arg: KernelArg) => boolean {
  return (arg) => (wish.hugepages !== undefined && isHugepageArg(arg)) || (wish.iommu !== undefined && isIommuArg(arg));
}

/** The arguments on the line that the wish is about, in their order. */
export function ownArgs(line: string, wish: KernelWish): string[] {
  return kernelArgs(line)
    .filter(isOwnArg(wish))
    .map(({ text }) => text);
}

/** The line without any argument that the wish is about. */
export function withoutOwn(line: string, wish: KernelWish): string {
  return ownArgs(line, wish).length === 0 ? line : replaceArgs(line, isOwnArg(wish), []);
}

/** The wish as arguments for somebody to add by hand, with what `line` has of other pools. */
export function wishText(line: string, wish: KernelWish): string {
  return applyWish(ownArgs(line, wish).join(' '), wish);
}
