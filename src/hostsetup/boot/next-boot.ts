import { expandOptions, optionsIn } from './loaders/bls.js';
import { ENTRIES, detectBoot, filesIn, grubConfigs, grubEnvs } from './detect.js';
import { commandLineOf } from './loaders/image.js';
import { grubStart } from './grub/menu.js';
import type { BootMethod } from './method.js';
import { MENU } from './readback.js';
import { readLoader } from './loaders/systemd-boot.js';
import type { Look } from '../../host/tolerant-reader.js';
import { kernelArgs } from '../kernel/args.js';
import { isHugepageArg } from '../kernel/hugepage-args.js';
import { isIommuArg } from '../kernel/iommu-args.js';

/** What the boot loader is going to start the kernel with, as far as hugepages and the IOMMU go. */
export interface NextBoot {
  /** The file that says so. */
  readonly source: string;
  readonly arguments: readonly string[];
}

/** The ones that this project has to do with, in their order: pairs of size and number stay pairs. */
export function relevant(line: string): string[] {
  return kernelArgs(line)
    .filter((arg) => isHugepageArg(arg) || isIommuArg(arg))
    .map(({ text }) => text);
}

/** Systemd's boot loader keeps its entries on the partition that it starts from. */
export const ENTRY_DIRS = [ENTRIES, '/efi/loader/entries', '/boot/efi/loader/entries'];

/** The entry of the running kernel; of several (deployments) the newest. */
async function fromEntries(look: Look, kernel: string): Promise<NextBoot | undefined> {
  const entries = (await Promise.all(ENTRY_DIRS.map((dir) => filesIn(look, dir, '.conf')))).flat();
  const texts = await Promise.all(entries.map((path) => look.text(path)));
  const named = entries.findIndex((path) => path.endsWith(`-${kernel}.conf`));
  const at = named >= 0 ? named : texts.findLastIndex((text) => text.includes(kernel));
  const [source, text] = [entries[at], texts[at]];
  if (source === undefined || text === undefined) return undefined;
  const blocks = await Promise.all((await grubEnvs(look)).map((path) => look.text(path)));
  const line = expandOptions(optionsIn(text), blocks);
  return line === undefined ? undefined : { source, arguments: relevant(line) };
}

/** The entry that GRUB starts. */
async function fromGrub(look: Look): Promise<NextBoot | undefined> {
  for (const path of await grubConfigs(look, MENU)) {
    const start = await grubStart(look, path);
    if (start?.entry.args === undefined) continue;
    const { by, args } = start.entry;
    return { source: by?.endsWith('.conf') === true ? by : path, arguments: relevant(args) };
  }
  return undefined;
}

/** The entry that systemd-boot is going to start. */
async function fromSystemd(look: Look): Promise<NextBoot | undefined> {
  const boots = (await readLoader(look))?.boots;
  if (boots === undefined) return undefined;
  const line = boots.kind === 'file' ? optionsIn(boots.text) : await commandLineOf(look, boots.path);
  return line === undefined ? undefined : { source: boots.path, arguments: relevant(line) };
}

const startsImage = (method: BootMethod): boolean =>
  method.kind === 'kernel-install' || (method.kind === 'by-hand' && method.places.some(({ image }) => image === true));

/** undefined where it cannot be told, or no kernel runs that it could be compared with. */
export async function readNextBoot(look: Look, kernel: string | undefined): Promise<NextBoot | undefined> {
  if (kernel === undefined) return undefined;
  const method = await detectBoot(look);
  if (method.kind === 'loader-entries' || method.kind === 'both' || startsImage(method)) return fromSystemd(look);
  // Entries that an earlier boot loader has left are nobody's.
  if (method.kind === 'drop-in' || method.kind === 'grub') return fromGrub(look);
  return (await fromGrub(look)) ?? (await fromEntries(look, kernel));
}
