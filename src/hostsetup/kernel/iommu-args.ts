import { kernelArgs, replaceArgs } from './args.js';
import type { KernelArg } from './args.js';

/** Arguments that let a NIC be handed to user space: the IOMMU on, and out of the way of the other devices. */

export type IommuVendor = 'intel' | 'amd';

/** Words of each argument that say the opposite of what is wanted. */
const AGAINST: Readonly<Record<string, readonly string[]>> = {
  intel_iommu: ['off'],
  amd_iommu: ['off'],
  iommu: ['off', 'soft', 'nopt'],
};

export const isIommuArg = ({ name }: KernelArg): boolean => name in AGAINST;

const wordsOf = ({ value = '' }: KernelArg): string[] => value.split(',').filter((word) => word !== '');

/** AMD's driver is on unless it is switched off, and knows no `on`. */
export function setIommu(line: string, vendor: IommuVendor): string {
  const wanted: Readonly<Record<string, string>> =
    vendor === 'intel' ? { intel_iommu: 'on', iommu: 'pt' } : { iommu: 'pt' };
  const cleaned = kernelArgs(line).filter(isIommuArg).reduce(withoutOpposite, line);
  return Object.entries(wanted).reduce((now, [name, word]) => {
    const there = kernelArgs(now).some((arg) => arg.name === name && wordsOf(arg).includes(word));
    return there ? now : replaceArgs(now, () => false, [`${name}=${word}`]);
  }, cleaned);
}

function withoutOpposite(line: string, arg: KernelArg): string {
  const words = wordsOf(arg).filter((word) => !AGAINST[arg.name]?.includes(word));
  if (words.length === wordsOf(arg).length) return line;
  return replaceArgs(
    line,
    ({ text }) => text === arg.text,
    words.length === 0 ? [] : [`${arg.name}=${words.join(',')}`],
  );
}
