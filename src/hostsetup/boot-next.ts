import { envValue, optionsIn } from './boot-bls.js';
import { ENTRIES, detectBoot, filesIn, grubConfigs, grubEnvs } from './boot-detect.js';
import { linuxLines } from './boot-readback.js';
import { readLoader } from './boot-systemd.js';
import type { Look } from './facts-look.js';
import { kernelArgs } from './kernel-args.js';
import { isHugepageArg } from './kernel-hugepages.js';
import { isIommuArg } from './kernel-iommu.js';

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

/** undefined where a variable stands for the whole command line, and nobody says what is in it. */
function expand(options: string, blocks: readonly string[]): string | undefined {
  const variable = /\$(?:\{(\w+)\}|(\w+))/g;
  const valueOf = (name: string): string | undefined =>
    blocks.map((block) => envValue(block, name)).find((value) => value !== undefined);
  const names = [...options.matchAll(variable)].map(([, braced, bare]) => braced ?? bare ?? '');
  if (names.includes('kernelopts') && valueOf('kernelopts') === undefined) return undefined;
  return options.replace(variable, (_, braced?: string, bare?: string) => valueOf(braced ?? bare ?? '') ?? '');
}

/** The entry of the running kernel; of several (deployments) the newest. */
async function fromEntries(look: Look, kernel: string): Promise<NextBoot | undefined> {
  const entries = (await Promise.all(ENTRY_DIRS.map((dir) => filesIn(look, dir, '.conf')))).flat();
  const texts = await Promise.all(entries.map((path) => look.text(path)));
  const named = entries.findIndex((path) => path.endsWith(`-${kernel}.conf`));
  const at = named >= 0 ? named : texts.findLastIndex((text) => text.includes(kernel));
  const [source, text] = [entries[at], texts[at]];
  if (source === undefined || text === undefined) return undefined;
  const blocks = await Promise.all((await grubEnvs(look)).map((path) => look.text(path)));
  const line = expand(optionsIn(text), blocks);
  return line === undefined ? undefined : { source, arguments: relevant(line) };
}

/** The first menu entry of a generated grub.cfg for the running kernel, which is the one that is not for rescue. */
async function fromGrub(look: Look, kernel: string): Promise<NextBoot | undefined> {
  for (const source of await grubConfigs(look, /^\s*linux/m)) {
    const line = linuxLines(await look.text(source)).find(({ image }) => image.includes(kernel));
    if (line !== undefined) return { source, arguments: relevant(line.args) };
  }
  return undefined;
}

/** The entry that systemd-boot is going to start; an image has its command line in itself, and is not looked into. */
async function fromSystemd(look: Look): Promise<NextBoot | undefined> {
  const boots = (await readLoader(look))?.boots;
  if (boots?.kind !== 'file') return undefined;
  return { source: boots.path, arguments: relevant(optionsIn(boots.text)) };
}

/** undefined where it cannot be told, or no kernel runs that it could be compared with. */
export async function readNextBoot(look: Look, kernel: string | undefined): Promise<NextBoot | undefined> {
  if (kernel === undefined) return undefined;
  const { kind } = await detectBoot(look);
  if (kind === 'loader-entries' || kind === 'both') return fromSystemd(look);
  // Entries that an earlier boot loader has left are nobody's.
  if (kind === 'drop-in' || kind === 'grub') return fromGrub(look, kernel);
  return (await fromEntries(look, kernel)) ?? (await fromGrub(look, kernel));
}
