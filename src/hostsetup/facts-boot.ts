import type { Look } from './facts-look.js';
import { splitArguments } from './facts-system.js';

/** What the boot loader is going to start the kernel with, as far as hugepages and the IOMMU go. */

export interface BootFacts {
  /** The file that says so. */
  readonly source: string;
  readonly arguments: readonly string[];
}

/** The ones that this project has to do with, in their order: pairs of size and number stay pairs. */
export function relevant(all: readonly string[]): string[] {
  return all.filter((word) => /^(default_hugepagesz|hugepagesz|hugepages|intel_iommu|amd_iommu|iommu)=/.test(word));
}

const ENTRIES = '/boot/loader/entries';
const GRUB = ['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg'];

async function optionsOf(look: Look, entry: string): Promise<string | undefined> {
  const options = (await look.text(`${ENTRIES}/${entry}`)).match(/^options[ \t]+.*$/gm);
  return options?.map((line) => line.replace(/^options[ \t]+/, '')).join(' ');
}

/** The entry of the running kernel; one that a boot loader's variable completes (`$kernelopts`) tells nothing. */
async function fromEntries(look: Look, kernel: string): Promise<BootFacts | undefined> {
  const entries = (await look.list(ENTRIES)).filter((name) => name.endsWith('.conf') && name.includes(kernel));
  const entry = entries[0];
  const text = entry === undefined ? undefined : await optionsOf(look, entry);
  if (text === undefined || text.includes('$kernelopts')) return undefined;
  return { source: `${ENTRIES}/${entry}`, arguments: relevant(splitArguments(text)) };
}

/** The first menu entry of a generated grub.cfg for the running kernel, which is the one that is not for rescue. */
async function fromGrub(look: Look, kernel: string): Promise<BootFacts | undefined> {
  for (const source of GRUB) {
    const lines = (await look.text(source)).match(/^[ \t]*linux(?:16|efi)?[ \t]+\S.*$/gm) ?? [];
    const line = lines.find((candidate) => candidate.includes(kernel));
    if (line !== undefined) return { source, arguments: relevant(splitArguments(line).slice(2)) };
  }
  return undefined;
}

/** undefined where it cannot be told, or no kernel runs that it could be compared with. */
export async function readBoot(look: Look, kernel: string | undefined): Promise<BootFacts | undefined> {
  if (kernel === undefined) return undefined;
  return (await fromEntries(look, kernel)) ?? (await fromGrub(look, kernel));
}
