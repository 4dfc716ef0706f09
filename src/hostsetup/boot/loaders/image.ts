import { findProgram } from '../../../host/find-program.js';
import type { BootHost } from '../method.js';
import { CMDLINE } from '../cmdline.js';
import { statements, lineAt } from '../../system/shell-vars.js';
import { HIDDEN, evaluate, textOf } from '../../system/shell-values.js';
import type { Host } from '../../../host/host.js';
import type { HandPlace } from '../method.js';

/** Unified kernel images: who builds them here and out of what, and the command line that is in one. */

export type ImageBuilder =
  | { readonly kind: 'builder'; readonly cmdline: string; readonly commands: readonly (readonly string[])[] }
  | { readonly kind: 'by-hand'; readonly reason: string; readonly places: readonly HandPlace[] };

/** The ways of each kernel that is there: Debian keeps the image in /boot, others with the modules. */
export async function kernelInstalls(host: BootHost): Promise<string[][]> {
  const commands: string[][] = [];
  for (const version of [...(await host.list('/usr/lib/modules'))].sort()) {
    for (const kernel of [`/usr/lib/modules/${version}/vmlinuz`, `/boot/vmlinuz-${version}`]) {
      if ((await host.stat(kernel)) === undefined) continue;
      commands.push(['kernel-install', 'add', version, kernel]);
      break;
    }
  }
  return commands;
}

const INSTALL_CONF = ['/etc/kernel', '/run/kernel', '/usr/local/lib/kernel', '/usr/lib/kernel'];

async function layoutIsUki(host: BootHost): Promise<boolean> {
  for (const dir of INSTALL_CONF) {
    const names = [...(await host.list(`${dir}/install.conf.d`))].map((name) => `install.conf.d/${name}`);
    for (const name of [...names.sort().reverse(), 'install.conf']) {
      const layout = /^\s*layout\s*=\s*(\S+)\s*$/m.exec((await host.readOptional(`${dir}/${name}`)) ?? '')?.[1];
      if (layout !== undefined) return layout === 'uki';
    }
  }
  return false;
}

export async function builderOf(host: BootHost, image: string): Promise<ImageBuilder> {
  return (
    (await byMkinitcpio(host, image)) ??
    (await byKernelInstall(host, image)) ??
    (await byDracut(host, image)) ??
    (await byUkify(host, image)) ??
    byHand(image, `the command line is sealed in ${image}, a unified kernel image made elsewhere`)
  );
}

/** What the image has in it tells whether somebody has done it. */
function byHand(image: string, reason: string, more: Partial<HandPlace> = {}): ImageBuilder {
  const place: HandPlace = { path: image, image: true, line: /^()([^]*)()$/, byCommand: true, added: asIs, ...more };
  return { kind: 'by-hand', reason, places: [place] };
}

const asIs = (args: string): string => args;

/** The same file on an EFI partition, whose file system knows no capitals. */
async function isSame(host: BootHost, a: string, b: string): Promise<boolean> {
  const real = async (path: string): Promise<string> => ((await host.realpath(path)) ?? path).toLowerCase();
  return (await real(a)) === (await real(b));
}

const PRESETS = '/etc/mkinitcpio.d';

async function byMkinitcpio(host: BootHost, image: string): Promise<ImageBuilder | undefined> {
  for (const name of [...(await host.list(PRESETS))].filter((one) => one.endsWith('.preset')).sort()) {
    const path = `${PRESETS}/${name}`;
    const { values } = evaluate([{ path, text: (await host.readOptional(path)) ?? '' }], []);
    const valueOf = (key: string): string | undefined => {
      const value = values.get(key);
      return value === undefined || textOf(value).includes(HIDDEN) ? undefined : textOf(value);
    };
    for (const key of values.keys()) {
      const preset = /^(\w+)_(?:uki|efi_image)$/.exec(key)?.[1];
      const made = valueOf(key);
      if (preset === undefined || made === undefined || !(await isSame(host, made, image))) continue;
      const options = `${valueOf('ALL_options') ?? ''} ${valueOf(`${preset}_options`) ?? ''}`;
      const given =
        /--cmdline[= ]\s*(\S+)/.exec(options)?.[1] ?? valueOf(`${preset}_cmdline`) ?? valueOf('ALL_cmdline');
      return mkinitcpioFrom(host, image, given);
    }
  }
  return undefined;
}

/** It takes the file that its preset names, else those of /etc/cmdline.d, else /etc/kernel/cmdline. */
async function mkinitcpioFrom(host: BootHost, image: string, given: string | undefined): Promise<ImageBuilder> {
  const parts = [...(await host.list('/etc/cmdline.d'))].filter((name) => name.endsWith('.conf')).sort();
  const last = parts.at(-1);
  if (given === undefined && last !== undefined) {
    const reason = `mkinitcpio builds ${image} with what /etc/cmdline.d says: they belong into /etc/cmdline.d/${last}:1`;
    return byHand(image, `${reason}, then mkinitcpio -P`);
  }
  return { kind: 'builder', cmdline: given ?? CMDLINE, commands: [['mkinitcpio', '-P']] };
}

async function byKernelInstall(host: BootHost, image: string): Promise<ImageBuilder | undefined> {
  if (!(await layoutIsUki(host)) || (await findProgram(host, 'kernel-install')) === undefined) return undefined;
  const commands = await kernelInstalls(host);
  // It names its images after the kernels; one of another name would stay as it is, with more of them beside it.
  const named = commands.some(([, , version = '']) => image.toLowerCase().includes(`-${version.toLowerCase()}`));
  return named ? { kind: 'builder', cmdline: CMDLINE, commands } : undefined;
}

/**
 * Its configuration is a program of bash's; which of its parts sets what is for somebody to see. What `kernel_cmdline`
 * says is the whole command line: without it dracut finds out where the root is, with it no more.
 */
async function byDracut(host: BootHost, image: string): Promise<ImageBuilder | undefined> {
  if ((await findProgram(host, 'dracut')) === undefined) return undefined;
  const names = [...(await host.list('/etc/dracut.conf.d'))].filter((name) => name.endsWith('.conf')).sort();
  let makes = false;
  let place = '/etc/dracut.conf.d/vhost-host.conf, a new file';
  for (const path of ['/etc/dracut.conf', ...names.map((name) => `/etc/dracut.conf.d/${name}`)]) {
    const text = (await host.readOptional(path)) ?? '';
    for (const one of statements(text)) {
      if (one.kind !== 'assignment') continue;
      if (one.name === 'uefi') makes = /^["']?yes["']?$/.test(text.slice(one.value.start, one.value.end));
      if (one.name === 'kernel_cmdline') place = `${path}:${lineAt(text, one.value.start).number}`;
    }
  }
  if (!makes) return undefined;
  const then = 'dracut --regenerate-all --force';
  const reason = `dracut builds ${image} with kernel_cmdline: they belong into ${place}, then ${then}`;
  return byHand(image, reason, { added: (_args, _before, line) => `kernel_cmdline="${line}"` });
}

const UKIFY = ['/etc/systemd/ukify.conf', '/etc/kernel/uki.conf', '/usr/lib/systemd/ukify.conf'];

/** Called by somebody, and not by kernel-install, which gives it a command line whatever its configuration says. */
async function byUkify(host: BootHost, image: string): Promise<ImageBuilder | undefined> {
  if ((await findProgram(host, 'ukify')) === undefined) return undefined;
  for (const path of UKIFY) {
    const lines = ((await host.readOptional(path)) ?? '').split('\n');
    const at = lines.findLastIndex((line) => /^\s*Cmdline\s*=/.test(line));
    const value = lines[at]?.replace(/^[^=]*=\s*/, '').trim();
    if (value === undefined) continue;
    const [place, added] = value.startsWith('@')
      ? [value.slice(1), (line: string): string => line]
      : [`${path}:${at + 1}`, (line: string): string => `Cmdline=${line}`];
    const reason = `ukify builds ${image} with Cmdline=: they belong into ${place}, then ukify build as before`;
    return byHand(image, reason, { added: (_args, _before, line) => added(line) });
  }
  return undefined;
}

/**
 * The command line that systemd-stub gives the kernel: that of the image, and those of the addons beside it, in the
 * order of their names (systemd-stub(7)). undefined where the image has none.
 */
export async function commandLineOf(host: BootHost, image: string): Promise<string | undefined> {
  const line = await sectionOf(host, image, '.cmdline');
  if (line === undefined) return undefined;
  const lines = [line];
  for (const dir of [`${image}.extra.d`, image.replace(/\/EFI\/Linux\/[^/]*$/i, '/loader/addons')]) {
    if (dir === image) continue;
    for (const name of [...(await host.list(dir))].sort())
      if (name.endsWith('.addon.efi')) lines.push((await sectionOf(host, `${dir}/${name}`, '.cmdline')) ?? '');
  }
  return lines.filter((one) => one !== '').join(' ');
}

const HEADER = 4096;
const MOST = 65_536;

/** The text of a section of a PE file; undefined where it has none, or is no such file. */
export async function sectionOf(
  host: Pick<Host, 'readBytes'>,
  path: string,
  section: string,
): Promise<string | undefined> {
  const head = (await host.readBytes(path, { offset: 0, length: HEADER })) ?? Buffer.alloc(0);
  const at = head.length < 64 || head.toString('latin1', 0, 2) !== 'MZ' ? HEADER : head.readUInt32LE(60);
  if (at + 24 > head.length || head.toString('latin1', at, at + 4) !== 'PE\0\0') return undefined;
  const [count, first] = [head.readUInt16LE(at + 6), at + 24 + head.readUInt16LE(at + 20)];
  for (let i = 0; i < count; i++) {
    const entry = head.subarray(first + i * 40, first + i * 40 + 40);
    if (entry.length < 40) return undefined;
    if (entry.toString('latin1', 0, 8).replace(/\0+$/, '') !== section) continue;
    const [length, stored, offset] = [entry.readUInt32LE(8), entry.readUInt32LE(16), entry.readUInt32LE(20)];
    const range = { offset, length: Math.min(length || stored, stored, MOST) };
    return ((await host.readBytes(path, range)) ?? Buffer.alloc(0)).toString('utf8').replace(/\0+$/, '').trim();
  }
  return undefined;
}
