import { kernelArgs, replaceArgs } from './args.js';
import type { KernelArg } from './args.js';
import { isHugepageArg, setHugepages } from './hugepage-args.js';
import type { HugepageSpec } from './hugepage-args.js';
import { isIommuArg, setIommu } from './iommu-args.js';
import type { IommuVendor } from './iommu-args.js';

/** What shall stand on the kernel's command line. What is not named stays as it is. */
export interface KernelArgsSpec {
  readonly hugepages?: HugepageSpec | 'none';
  readonly iommu?: IommuVendor;
  /** Size of the pages that `hugepages=` means on a line that names none; 2M unless told. */
  readonly implicitSize?: string;
}

/** The line as it shall be; the same text where it is so already. */
export function applySpec(line: string, { hugepages, iommu, implicitSize = '2M' }: KernelArgsSpec): string {
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

/** Whether the line says all that is requested. */
export function fulfils(line: string, spec: KernelArgsSpec): boolean {
  return applySpec(line, spec) === line;
}

export function isOwnArg(spec: KernelArgsSpec): (arg: KernelArg) => boolean {
  return (arg) => (spec.hugepages !== undefined && isHugepageArg(arg)) || (spec.iommu !== undefined && isIommuArg(arg));
}

/** The arguments on the line that the spec is about, in their order. */
export function ownArgs(line: string, spec: KernelArgsSpec): string[] {
  return kernelArgs(line)
    .filter(isOwnArg(spec))
    .map(({ text }) => text);
}

/** The line without any argument that the spec is about. */
export function withoutOwn(line: string, spec: KernelArgsSpec): string {
  return ownArgs(line, spec).length === 0 ? line : replaceArgs(line, isOwnArg(spec), []);
}

/** The spec as arguments for somebody to add by hand, with what `line` has of other pools. */
export function specText(line: string, spec: KernelArgsSpec): string {
  return applySpec(ownArgs(line, spec).join(' '), spec);
}
