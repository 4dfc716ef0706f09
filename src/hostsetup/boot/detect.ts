import { DEFAULT_GRUB } from './grub/grub.js';
import { CMDLINE } from './cmdline.js';
import { builderOf, kernelInstalls } from './loaders/image.js';
import { findLoader, systemId } from './loaders/loader.js';
import type { FindLoader } from './loaders/loader.js';
import { FIRST } from './loaders/first.js';
import { BEFORE_KERNEL_INSTALL, LAST } from './loaders/last.js';
import type { BootHost, BootMethod, SnippetStyle } from './method.js';
import { hasLoader, ownEntries, readLoader, startedBy } from './loaders/systemd-boot.js';
import { findProgram, programPath } from '../../host/find-program.js';

export const ENTRIES = '/boot/loader/entries';

const DECLARATIVE: Readonly<Record<string, SnippetStyle>> = {
  nixos: 'nix',
  guix: 'guix',
  talos: 'talos',
  bottlerocket: 'bottlerocket',
};

const has = async (host: BootHost, path: string): Promise<boolean> => (await host.stat(path)) !== undefined;

/** Looks at files only, so that an image of a system is judged like a running one. The most particular first. */
export async function detectBoot(host: BootHost): Promise<BootMethod> {
  const ways = [
    declarative,
    ostree,
    loaders(FIRST),
    proxmox,
    sdbootutil,
    grubAndLoader,
    loaders(BEFORE_KERNEL_INSTALL),
    loader,
    loaders(LAST),
  ];
  for (const detect of ways) {
    const method = await detect(host);
    if (method !== undefined) return method;
  }
  return byHand('how this system keeps its kernel arguments is not known');
}

function byHand(reason: string, style: SnippetStyle = 'plain'): BootMethod {
  return { kind: 'by-hand', reason, style, places: [] };
}

const loaders =
  (finds: readonly FindLoader[]) =>
  async (host: BootHost): Promise<BootMethod | undefined> => {
    const found = await findLoader(host, finds);
    return found === undefined ? undefined : { kind: 'by-hand', style: 'plain', ...found };
  };

async function declarative(host: BootHost): Promise<BootMethod | undefined> {
  const id = (await host.stat('/etc/NIXOS')) === undefined ? await systemId(host) : 'nixos';
  const style = DECLARATIVE[id];
  return style === undefined ? undefined : byHand(`${id} builds its command line from its own configuration`, style);
}

/** An image's own arguments come with it; those of a system that was installed from it belong to its deployments. */
async function ostree(host: BootHost): Promise<BootMethod | undefined> {
  const booted = await has(host, '/run/ostree-booted');
  const bootc = (await findProgram(host, 'bootc')) !== undefined || (await has(host, '/usr/lib/bootc'));
  const inImage = (await has(host, '/ostree/repo')) || (await has(host, '/sysroot/ostree/repo'));
  if (!booted && !inImage && !(bootc && (await has(host, '/usr/lib/bootc')))) return undefined;
  const rpmOstree = (await findProgram(host, 'rpm-ostree')) !== undefined;
  if (booted && rpmOstree) return { kind: 'rpm-ostree' };
  if (bootc) return byHand('the command line belongs to the bootc image', 'bootc');
  const tool = rpmOstree ? 'rpm-ostree kargs' : 'ostree admin instutil set-kargs --merge';
  const added = (args: string): string => [tool, ...args.split(' ').map((arg) => `--append=${arg}`)].join(' ');
  return {
    kind: 'by-hand',
    reason: 'the command line belongs to the deployment, which is changed on the booted system',
    style: 'plain',
    places: [{ added, then: 'a reboot' }],
  };
}

async function proxmox(host: BootHost): Promise<BootMethod | undefined> {
  const uuids = (await host.readOptional('/etc/kernel/proxmox-boot-uuids')) ?? '';
  const managed = uuids.trim() !== '' && (await findProgram(host, 'proxmox-boot-tool')) !== undefined;
  return managed ? { kind: 'proxmox' } : undefined;
}

async function sdbootutil(host: BootHost): Promise<BootMethod | undefined> {
  if (!(await has(host, CMDLINE)) || (await findProgram(host, 'sdbootutil')) === undefined) return undefined;
  return { kind: 'kernel-install', cmdline: CMDLINE, commands: [['sdbootutil', 'update-all-entries']], entries: [] };
}

export async function filesIn(host: BootHost, dir: string, end: string): Promise<string[]> {
  return [...(await host.list(dir))]
    .filter((name) => name.endsWith(end))
    .sort()
    .map((name) => `${dir}/${name}`);
}

/** `/boot/efi/EFI/fedora/grub.cfg` and the like. */
async function vendorFiles(host: BootHost, name: string): Promise<string[]> {
  const vendors = [...(await host.list('/boot/efi/EFI'))].sort();
  return vendors.map((vendor) => `/boot/efi/EFI/${vendor}/${name}`);
}

async function bls(host: BootHost): Promise<BootMethod | undefined> {
  const entries = await filesIn(host, ENTRIES, '.conf');
  if (entries.length === 0) return undefined;
  const zipl = await has(host, '/etc/zipl.conf');
  const enabled = /^\s*GRUB_ENABLE_BLSCFG=["']?true/m.test((await host.readOptional(DEFAULT_GRUB)) ?? '');
  const configs = await grubConfigs(host, /^\s*blscfg\b/m);
  if (!enabled && !zipl && configs.length === 0) return undefined;
  const envs: string[] = [];
  for (const path of await grubEnvs(host)) {
    if (/^kernelopts=/m.test((await host.readOptional(path)) ?? '')) envs.push(path);
  }
  return { kind: 'bls', entries, envs, zipl };
}

/** GRUB's environment blocks, by where they really are: on UEFI the one is a link to the other. */
export async function grubEnvs(host: BootHost): Promise<string[]> {
  const found = new Set<string>();
  for (const path of ['/boot/grub2/grubenv', '/boot/grub/grubenv', ...(await vendorFiles(host, 'grubenv'))]) {
    const real = await host.realpath(path);
    if (real !== undefined) found.add(real);
  }
  return [...found];
}

/** The boot loader's configurations with this in them; a stub on the EFI partition only leads to another. */
export async function grubConfigs(host: BootHost, pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  for (const path of ['/boot/grub2/grub.cfg', '/boot/grub/grub.cfg', ...(await vendorFiles(host, 'grub.cfg'))]) {
    if (pattern.test((await host.readOptional(path)) ?? '')) found.push(path);
  }
  return found;
}

/** GRUB's own tool reads no such directory; Debian's and those made from it do. */
async function readsDropIns(host: BootHost): Promise<boolean> {
  for (const name of ['grub-mkconfig', 'update-grub']) {
    const path = await programPath(host, name);
    if (path !== undefined && ((await host.readOptional(path)) ?? '').includes('/default/grub.d')) return true;
  }
  return false;
}

async function dropIn(host: BootHost): Promise<BootMethod | undefined> {
  if ((await findProgram(host, 'update-grub')) === undefined || !(await has(host, DEFAULT_GRUB))) return undefined;
  return (await readsDropIns(host)) ? { kind: 'drop-in' } : { kind: 'grub', commands: [['update-grub']] };
}

async function grub(host: BootHost): Promise<BootMethod | undefined> {
  const tool = await findProgram(host, 'grub2-mkconfig', 'grub-mkconfig');
  if (tool === undefined || !(await has(host, DEFAULT_GRUB))) return undefined;
  const configs = await grubConfigs(host, /^### BEGIN \/etc\/grub\.d\//m);
  if (configs.length === 0) return undefined;
  // On a system whose root is a read-only snapshot the next snapshot gets the configuration.
  const transactional = await findProgram(host, 'transactional-update');
  if (transactional !== undefined) return { kind: 'grub', commands: [[transactional, '--continue', 'grub.cfg']] };
  return { kind: 'grub', commands: configs.map((path) => [tool, '-o', path]) };
}

/** GRUB, where it is set up; and beside systemd-boot both, unless the one that has started this system tells. */
async function grubAndLoader(host: BootHost): Promise<BootMethod | undefined> {
  const started = await startedBy(host);
  if (started === 'systemd-boot') return undefined;
  const byGrub = (await bls(host)) ?? (await dropIn(host)) ?? (await grub(host));
  if (byGrub === undefined || started === 'grub' || !(await hasLoader(host))) return byGrub;
  const byLoader = await loader(host);
  if (byLoader === undefined || byLoader.kind === 'both' || byLoader.kind === 'by-hand') return byGrub;
  // What its tools have never made a configuration of is not what starts here.
  if (byGrub.kind !== 'bls' && (await grubConfigs(host, /^\s*linux/m)).length === 0) return byLoader;
  return byGrub.kind === 'both' || byGrub.kind === 'by-hand' ? byLoader : { kind: 'both', methods: [byLoader, byGrub] };
}

async function loader(host: BootHost): Promise<BootMethod | undefined> {
  const found = await readLoader(host);
  if (found === undefined) return undefined;
  const { boots } = found;
  const entries = (await ownEntries(host, found)).map(({ path }) => path);
  if (boots?.kind === 'image') {
    const builder = await builderOf(host, boots.path);
    if (builder.kind === 'by-hand') return { ...builder, style: 'plain' };
    return { kind: 'kernel-install', cmdline: builder.cmdline, commands: builder.commands, entries };
  }
  if (entries.length > 0) return { kind: 'loader-entries', entries };
  if ((await findProgram(host, 'kernel-install')) === undefined) return undefined;
  const commands = await kernelInstalls(host);
  return commands.length === 0 ? undefined : { kind: 'kernel-install', cmdline: CMDLINE, commands, entries };
}
