import type { Host } from '../host.js';
import { kernelArgs } from './kernel-args.js';
import { fulfils, ownArgs } from './kernel-wish.js';
import type { KernelWish } from './kernel-wish.js';

const SECTION = /^### BEGIN \/etc\/grub\.d\/10_linux\S* ###$([^]*?)^### END /gm;

/** A `linux` line of a menu entry. */
export interface LinuxLine {
  readonly image: string;
  readonly args: string;
}

/** All of them, whoever has written them. */
export function linuxLines(config: string): LinuxLine[] {
  const found = config.matchAll(/^\s*linux(?:16|efi)?[ \t]+(\S+)[ \t]*(.*)$/gm);
  return [...found].map(([, image = '', args = '']) => ({ image, args }));
}

/** The command lines that the boot loader's configuration has for this system's own kernels. */
function ownLines(config: string): string[] {
  const own = [...config.matchAll(SECTION)].map((found) => found[1] ?? '').join('\n');
  return linuxLines(own).map(({ args }) => args);
}

const RESCUE = ['single', 'recovery', 'rescue', 'emergency'];

/** What is wrong with it; a configuration without any kernel says nothing. */
export async function checkGrubConfig(host: Host, wish: KernelWish, path: string): Promise<string | undefined> {
  const all = ownLines((await host.readOptional(path)) ?? '');
  // Those for emergencies take less of it.
  const usual = all.filter((line) => !kernelArgs(line).some(({ name }) => RESCUE.includes(name)));
  const wrong = (usual.length === 0 ? all : usual).find((line) => !fulfils(line, wish));
  if (wrong === undefined) return undefined;
  const has = ownArgs(wrong, wish).join(' ') || 'none of the arguments';
  return `${path} was made anew, and a kernel in it has ${has}: something else sets the command line`;
}
