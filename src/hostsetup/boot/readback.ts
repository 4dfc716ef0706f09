import { printable } from '../../common/errors.js';
import { grubConfigs } from './detect.js';
import { grubStart } from './grub/menu.js';
import { kernelArgs } from '../kernel/args.js';
import { fulfils, ownArgs } from '../kernel/spec.js';
import type { KernelArgsSpec } from '../kernel/spec.js';
import type { Host } from '../../host/host.js';

const SECTION = /^### BEGIN \/etc\/grub\.d\/10_linux\S* ###$([^]*?)^### END /gm;

/** A configuration with this in it has a menu of its own, and does not only lead to another. */
export const MENU = /^\s*(menuentry|linux(16|efi)?|blscfg)\b/m;

/** The arguments of all its kernels, whoever has written them. */
export function linuxLines(config: string): string[] {
  return [...config.matchAll(/^\s*linux(?:16|efi)?[ \t]+\S+[ \t]*(.*)$/gm)].map(([, args = '']) => args);
}

/** The command lines that the boot loader's configuration has for this system's own kernels. */
function ownLines(config: string): string[] {
  const own = [...config.matchAll(SECTION)].map((found) => found[1] ?? '').join('\n');
  return linuxLines(own);
}

const RESCUE = ['single', 'recovery', 'rescue', 'emergency'];

/** What is wrong with it; a configuration without any kernel says nothing. */
export async function checkGrubConfig(host: Host, spec: KernelArgsSpec, path: string): Promise<string | undefined> {
  const all = ownLines((await host.readOptional(path)) ?? '');
  // Those for emergencies take less of it.
  const usual = all.filter((line) => !kernelArgs(line).some(({ name }) => RESCUE.includes(name)));
  const wrong = (usual.length === 0 ? all : usual).find((line) => !fulfils(line, spec));
  if (wrong === undefined) return checkGrubStart(host, spec, path);
  return `${path} was made anew, and a kernel in it has ${has(wrong, spec)}: something else sets the command line`;
}

const has = (line: string, spec: KernelArgsSpec): string => ownArgs(line, spec).join(' ') || 'none of the arguments';

/** What is wrong with the entry that the configuration starts next. */
async function checkGrubStart(host: Host, spec: KernelArgsSpec, path: string): Promise<string | undefined> {
  const start = await grubStart(host, path);
  if (start === undefined) return undefined;
  const { entry, says } = start;
  if (entry.args !== undefined && fulfils(entry.args, spec)) return undefined;
  const what = `"${printable(entry.title)}"${entry.by === undefined ? '' : ` of ${entry.by}`}`;
  const lacks = entry.args === undefined ? 'starts no Linux that could be read back' : `has ${has(entry.args, spec)}`;
  const tool = (name: string): string => (path.includes('/grub2/') ? `grub2-${name}` : `grub-${name}`);
  const fix = says.startsWith('next_entry')
    ? `${tool('editenv')} - unset next_entry`
    : says.includes('saved_entry')
      ? `${tool('set-default')} 0`
      : 'GRUB_DEFAULT in /etc/default/grub';
  return `GRUB starts ${what} next (${printable(says)}), which ${lacks}; another is chosen with: ${fix}`;
}

/** The same of every configuration that has a menu. */
export async function checkGrubStarts(host: Host, spec: KernelArgsSpec): Promise<string | undefined> {
  for (const path of await grubConfigs(host, MENU)) {
    const wrong = await checkGrubStart(host, spec, path);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
