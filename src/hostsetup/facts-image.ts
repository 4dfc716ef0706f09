import { optionsIn } from './boot-bls.js';
import { CMDLINE } from './boot-cmdline.js';
import { detectBoot, filesIn, grubConfigs } from './boot-detect.js';
import { handLines } from './boot-hand.js';
import { ENTRY_DIRS } from './boot-next.js';
import { linuxLines } from './boot-readback.js';
import { declaredLine } from './declared-line.js';
import type { Look } from './facts-look.js';
import { bootPairs } from './facts-pairs.js';
import { kernelArgs } from './kernel-args.js';

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
  /** The file that says so. */
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
    for (const { args } of linuxLines(await look.text(source))) lines.push({ source, line: args });
  for (const dir of ENTRY_DIRS)
    for (const source of await filesIn(look, dir, '.conf'))
      lines.push({ source, line: optionsIn(await look.text(source)) });
  if (lines.length === 0)
    for (const line of (await look.lines(CMDLINE)).slice(0, 1)) lines.push({ source: CMDLINE, line });
  return lines;
}

/** Of several kernels the first that asks for pages: rescue entries do not. */
function byKernel(lines: readonly ImageLine[], defaultSize: number): AskedPages[] {
  for (const { source, line } of lines) {
    const words = kernelArgs(line).map(({ text }) => text);
    const asked = bootPairs(words, defaultSize).filter(({ pages }) => pages > 0);
    if (asked.length > 0) return asked.map(({ pageSize, pages }) => ({ pageSize, pages, source }));
  }
  return [];
}

const dirs = (name: string): string[] =>
  ['/etc', '/run', '/usr/local/lib', '/usr/lib'].map((base) => `${base}/${name}`);

async function files(look: Look, name: string): Promise<string[]> {
  return (await Promise.all(dirs(name).map((dir) => filesIn(look, dir, '.conf')))).flat();
}

async function byStartFiles(look: Look, defaultSize: number): Promise<AskedPages[]> {
  const asked: AskedPages[] = [];
  for (const source of await files(look, 'tmpfiles.d')) {
    const found = (await look.text(source)).matchAll(
      /^\s*w\S*\s+\S*\/hugepages-(\d+)kB\/nr_hugepages(?:\s+\S+){4}\s+(\d+)/gm,
    );
    for (const [, kib, pages] of found) asked.push({ pageSize: Number(kib) * 1024, pages: Number(pages), source });
  }
  for (const source of [...(await files(look, 'sysctl.d')), '/etc/sysctl.conf']) {
    for (const [, pages] of (await look.text(source)).matchAll(/^\s*-?\s*vm[./]nr_hugepages\s*=\s*(\d+)/gm))
      asked.push({ pageSize: defaultSize, pages: Number(pages), source });
  }
  return asked.filter(({ pages }) => pages > 0);
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

export async function readImage(look: Look, defaultSize: number): Promise<ImageFacts> {
  const lines = await linesOf(look);
  const pages = [...byKernel(lines, defaultSize), ...(await byStartFiles(look, defaultSize))];
  return { pages, lines, vfioCards: await vfioCards(look) };
}
