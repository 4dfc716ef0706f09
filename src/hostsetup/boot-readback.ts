import type { Host } from '../host.js';
import { fulfils, ownArgs } from './kernel-wish.js';
import type { KernelWish } from './kernel-wish.js';

const SECTION = /^### BEGIN \/etc\/grub\.d\/10_linux\S* ###$([^]*?)^### END /gm;

/** The command lines that the boot loader's configuration has for this system's own kernels. */
export function linuxLines(config: string): string[] {
  const own = [...config.matchAll(SECTION)].map((found) => found[1] ?? '').join('\n');
  return [...own.matchAll(/^\s*linux(?:16|efi)?[ \t]+\S+[ \t]*(.*)$/gm)].map((found) => found[1] ?? '');
}

/** What is wrong with it; a configuration without any kernel says nothing. */
export async function checkGrubConfig(host: Host, wish: KernelWish, path: string): Promise<string | undefined> {
  const lines = linuxLines((await host.readOptional(path)) ?? '');
  const wrong = lines.find((line) => !fulfils(line, wish));
  if (wrong === undefined) return undefined;
  const has = ownArgs(wrong, wish).join(' ') || 'none of the arguments';
  return `${path} was made anew, and a kernel in it has ${has}: something else sets the command line`;
}
