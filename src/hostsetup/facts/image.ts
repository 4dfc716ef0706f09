import type { Pools } from '../../host/kernel/hugepages.js';
import { KIB } from '../../common/bytes.js';
import { optionsIn } from '../boot/loaders/bls.js';
import { CMDLINE } from '../boot/cmdline.js';
import { detectBoot, filesIn, grubConfigs } from '../boot/detect.js';
import { handLines } from '../boot/loaders/hand.js';
import { ENTRY_DIRS } from '../boot/next-boot.js';
import { linuxLines } from '../boot/readback.js';
import { declaredLine } from '../boot/declared-line.js';
import type { Look } from '../../host/tolerant-reader.js';
import { bootPairs } from '../kernel/hugepage-pairs.js';
import { kernelArgs } from '../kernel/args.js';
import { KERNEL } from '../hugepages/at-boot/kernel.js';
import { readAllAtStart } from '../hugepages/at-boot/read.js';
import { findSystemd } from '../system/systemd.js';

/** What an image is going to ask of the kernel once it starts, as far as its files tell. */
export interface ImageFacts {
  /** Pages that something reserves at the start. */
  readonly pages: readonly AskedPages[];
  /** Command lines that some kernel of it is started with; none where no file tells. */
  readonly lines: readonly ImageLine[];
  /** Cards that are handed to vfio-pci. */
  readonly vfioCards: readonly string[];
}

export interface AskedPages {
  readonly pageSize: number;
  readonly pages: number;
  /** The file that says so, with the number of the line where it is one of several. */
  readonly source: string;
}

export interface ImageLine {
  readonly source: string;
  readonly line: string;
}

async function linesOf(look: Look): Promise<ImageLine[]> {
  const method = await detectBoot(look);
  const lines: ImageLine[] = [];
  if (method.kind === 'by-hand') {
    const declared = await declaredLine(look, method.style);
    if (declared !== undefined) return [{ source: "the system's own configuration", line: declared }];
    for (const place of method.places)
      for (const line of await handLines(look, [place])) lines.push({ source: place.path ?? '', line });
    if (lines.length > 0) return lines;
  }
  for (const source of await grubConfigs(look, /^\s*linux/m))
    for (const line of linuxLines(await look.text(source))) lines.push({ source, line });
  for (const dir of ENTRY_DIRS)
    for (const source of await filesIn(look, dir, '.conf'))
      lines.push({ source, line: optionsIn(await look.text(source)) });
  if (lines.length === 0)
    for (const line of (await look.lines(CMDLINE)).slice(0, 1)) lines.push({ source: CMDLINE, line });
  return lines;
}

/** Of several kernels the first that asks for pages: rescue entries do not. */
function asksForPages(lines: readonly ImageLine[], { defaultPageSize }: Pools): ImageLine | undefined {
  return lines.find(({ line }) => {
    const words = kernelArgs(line).map(({ text }) => text);
    return bootPairs(words, defaultPageSize).some(({ pages }) => pages > 0);
  });
}

async function pagesAtStart(look: Look, lines: readonly ImageLine[], pools: Pools): Promise<AskedPages[]> {
  const asks = asksForPages(lines, pools);
  const { present: systemd } = await findSystemd(look);
  const implicit = `${pools.defaultPageSize / KIB}K`;
  const found = await readAllAtStart(look, { line: asks?.line ?? '', implicit, systemd, pools, nodeCount: 1 });
  return found.map(({ pageSize, pages, by }) => ({
    pageSize,
    pages,
    source: by === KERNEL ? (asks?.source ?? by) : by,
  }));
}

async function vfioCards(look: Look): Promise<string[]> {
  const cards = new Set<string>();
  for (const path of await filesIn(look, '/etc/driverctl.d', '')) {
    const address = /pci-([0-9a-f:.]+)$/.exec(path)?.[1];
    if (address !== undefined && (await look.text(path)) === 'vfio-pci') cards.add(address);
  }
  for (const path of await filesIn(look, '/etc/udev/rules.d', '.rules')) {
    const rules = (await look.text(path)).matchAll(/KERNEL=="([0-9a-f:.]+)".*ATTR\{driver_override\}="vfio-pci"/g);
    for (const [, address = ''] of rules) cards.add(address);
  }
  return [...cards].sort();
}

export async function readImage(look: Look, pools: Pools): Promise<ImageFacts> {
  const lines = await linesOf(look);
  return { pages: await pagesAtStart(look, lines, pools), lines, vfioCards: await vfioCards(look) };
}
