import type { Host } from '../host.js';
import { DEFAULT_GRUB } from './boot-grub.js';
import { CMDLINE } from './boot-cmdline.js';
import type { BootMethod, SnippetStyle } from './boot-method.js';
import { findProgram } from './find-program.js';

const ENTRIES = '/boot/loader/entries';
const LOADERS = ['/boot/loader/loader.conf', '/efi/loader/loader.conf', '/boot/efi/loader/loader.conf'];
const IMAGES = ['/boot/EFI/Linux', '/efi/EFI/Linux', '/boot/efi/EFI/Linux'];

const DECLARATIVE: Readonly<Record<string, SnippetStyle>> = {
  nixos: 'nix',
  guix: 'guix',
  talos: 'talos',
  bottlerocket: 'bottlerocket',
};

const has = async (host: Host, path: string): Promise<boolean> => (await host.stat(path)) !== undefined;

/** Looks at files only, so that an image of a system is judged like a running one. The most particular first. */
export async function detectBoot(host: Host): Promise<BootMethod> {
  for (const detect of [declarative, ostree, proxmox, sdbootutil, bls, dropIn, grub, kernelInstall]) {
    const method = await detect(host);
    if (method !== undefined) return method;
  }
  return byHand('how this system keeps its kernel arguments is not known');
}

function byHand(reason: string, style: SnippetStyle = 'plain'): BootMethod {
  return { kind: 'by-hand', reason, style };
}

async function declarative(host: Host): Promise<BootMethod | undefined> {
  const release =
    (await host.readOptional('/etc/os-release')) ?? (await host.readOptional('/usr/lib/os-release')) ?? '';
  const id = /^ID=["']?([\w.-]+)/m.exec(release)?.[1] ?? '';
  const style = DECLARATIVE[id];
  return style === undefined ? undefined : byHand(`${id} builds its command line from its own configuration`, style);
}

async function ostree(host: Host): Promise<BootMethod | undefined> {
  const booted = await has(host, '/run/ostree-booted');
  if (!booted && !(await has(host, '/ostree/repo'))) return undefined;
  const tool = await findProgram(host, 'rpm-ostree', 'bootc');
  if (tool === 'bootc') return byHand('the command line belongs to the bootc image', 'bootc');
  if (booted && tool === 'rpm-ostree') return { kind: 'rpm-ostree' };
  return byHand('kernel arguments of an ostree deployment can be changed on the booted system only');
}

async function proxmox(host: Host): Promise<BootMethod | undefined> {
  const uuids = (await host.readOptional('/etc/kernel/proxmox-boot-uuids')) ?? '';
  const managed = uuids.trim() !== '' && (await findProgram(host, 'proxmox-boot-tool')) !== undefined;
  return managed ? { kind: 'proxmox' } : undefined;
}

async function sdbootutil(host: Host): Promise<BootMethod | undefined> {
  if (!(await has(host, CMDLINE)) || (await findProgram(host, 'sdbootutil')) === undefined) return undefined;
  return { kind: 'kernel-install', commands: [['sdbootutil', 'update-all-entries']] };
}

async function filesIn(host: Host, dir: string, end: string): Promise<string[]> {
  return [...(await host.list(dir))]
    .filter((name) => name.endsWith(end))
    .sort()
    .map((name) => `${dir}/${name}`);
}

/** `/boot/efi/EFI/fedora/grub.cfg` and the like. */
async function vendorFiles(host: Host, name: string): Promise<string[]> {
  const vendors = [...(await host.list('/boot/efi/EFI'))].sort();
  return vendors.map((vendor) => `/boot/efi/EFI/${vendor}/${name}`);
}

async function bls(host: Host): Promise<BootMethod | undefined> {
  const entries = await filesIn(host, ENTRIES, '.conf');
  if (entries.length === 0) return undefined;
  const zipl = await has(host, '/etc/zipl.conf');
  const enabled = /^\s*GRUB_ENABLE_BLSCFG=["']?true/m.test((await host.readOptional(DEFAULT_GRUB)) ?? '');
  const configs = await grubConfigs(host, /^\s*blscfg\b/m);
  if (!enabled && !zipl && configs.length === 0) return undefined;
  // By where they really are: on UEFI the one is a link to the other.
  const envs = new Set<string>();
  for (const path of ['/boot/grub2/grubenv', ...(await vendorFiles(host, 'grubenv'))]) {
    const real = await host.realpath(path);
    if (real !== undefined && /^kernelopts=/m.test(await host.read(real))) envs.add(real);
  }
  return { kind: 'bls', entries, envs: [...envs], zipl };
}

/** The boot loader's configurations with this in them; a stub on the EFI partition only leads to another. */
async function grubConfigs(host: Host, pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for (const path of ['/boot/grub2/grub.cfg', '/boot/grub/grub.cfg', ...(await vendorFiles(host, 'grub.cfg'))]) {
    if (pattern.test((await host.readOptional(path)) ?? '')) found.push(path);
  }
  return found;
}

async function dropIn(host: Host): Promise<BootMethod | undefined> {
  if ((await findProgram(host, 'update-grub')) === undefined || !(await has(host, DEFAULT_GRUB))) return undefined;
  return { kind: 'drop-in' };
}

async function grub(host: Host): Promise<BootMethod | undefined> {
  const tool = await findProgram(host, 'grub2-mkconfig', 'grub-mkconfig');
  if (tool === undefined || !(await has(host, DEFAULT_GRUB))) return undefined;
  const configs = await grubConfigs(host, /^### BEGIN \/etc\/grub\.d\//m);
  if (configs.length === 0) return undefined;
  // On a system whose root is a read-only snapshot the next snapshot gets the configuration.
  const transactional = await findProgram(host, 'transactional-update');
  if (transactional !== undefined) return { kind: 'grub', commands: [[transactional, '--continue', 'grub.cfg']] };
  return { kind: 'grub', commands: configs.map((path) => [tool, '-o', path]) };
}

async function kernelInstall(host: Host): Promise<BootMethod | undefined> {
  const loaders = await Promise.all(LOADERS.map((path) => has(host, path)));
  const images = (await Promise.all(IMAGES.map((dir) => filesIn(host, dir, '.efi')))).flat();
  if (!loaders.includes(true) && images.length === 0) return undefined;
  const conf = (await host.readOptional('/etc/kernel/install.conf')) ?? '';
  const image = images[0];
  if (image !== undefined && !/^\s*layout=uki\s*$/m.test(conf)) {
    return byHand(`the command line is sealed in ${image}, a unified kernel image made elsewhere`);
  }
  if ((await findProgram(host, 'kernel-install')) === undefined) return undefined;
  const commands: string[][] = [];
  for (const version of [...(await host.list('/usr/lib/modules'))].sort()) {
    const kernel = `/usr/lib/modules/${version}/vmlinuz`;
    if (await has(host, kernel)) commands.push(['kernel-install', 'add', version, kernel]);
  }
  return commands.length === 0 ? undefined : { kind: 'kernel-install', commands };
}
