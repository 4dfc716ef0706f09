import { basename } from 'node:path';
import type { Look } from '../../../host/tolerant-reader.js';

/**
 * Scripts, units and configuration that set numbers of hugepages by means of their own. What they come to nobody can
 * tell from the text, so they are found and named.
 */

export interface PagesLine {
  readonly path: string;
  /** As people count, from 1. */
  readonly line: number;
  readonly text: string;
}

const NAMES = /nr_hugepages|\bhugeadm\b|\bdpdk-hugepages\b/;
/** Configuration that says it in words of its own: Debian's dpdk and qemu-kvm, Proxmox VE's guests. */
const WORDS: readonly (readonly [RegExp, RegExp])[] = [
  [/^\/etc\/dpdk\//, /^\s*NR_\w+_PAGES\s*=\s*["']?[1-9]/],
  [/^\/etc\/default\/qemu-kvm$/, /^\s*KVM_HUGEPAGES\s*=\s*["']?1/],
  [/^\/etc\/pve\//, /^hugepages:\s*(any|2|1024)\b/],
];

const FILES = ['/etc/rc.local', '/etc/rc.d/rc.local', '/etc/crontab', '/etc/default/qemu-kvm', '/etc/dpdk/dpdk.conf'];
const DIRECTORIES = [
  '/etc/init.d',
  '/etc/local.d',
  '/etc/cron.d',
  '/etc/udev/rules.d',
  '/usr/lib/udev/rules.d',
  '/etc/pve/qemu-server',
  '/usr/local/bin',
  '/usr/local/sbin',
];
const UNITS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
];
/** More is no script. */
const LARGEST = 256 * 1024;
/** Our own, and systemd's units that only look whether the kernel has such pages. */
const PASSED_OVER = /^vhost-host|^(dev-hugepages|proc-sys-fs-binfmt_misc)/;

async function filesOf(look: Look): Promise<string[]> {
  const found = [...FILES];
  for (const dir of DIRECTORIES) found.push(...(await look.list(dir)).map((name) => `${dir}/${name}`));
  for (const dir of UNITS) {
    for (const name of await look.list(dir)) {
      if (name.endsWith('.service')) found.push(`${dir}/${name}`);
      if (name.endsWith('.service.d'))
        found.push(...(await look.list(`${dir}/${name}`)).map((part) => `${dir}/${name}/${part}`));
    }
  }
  const profile = (await look.text('/etc/tuned/active_profile')).split(/\s+/).filter((name) => /^[\w.-]+$/.test(name));
  for (const name of profile)
    for (const dir of ['/etc/tuned', '/etc/tuned/profiles', '/usr/lib/tuned', '/usr/lib/tuned/profiles'])
      found.push(`${dir}/${name}/tuned.conf`);
  return found;
}

function linesIn(path: string, text: string): PagesLine[] {
  const words = WORDS.find(([where]) => where.test(path))?.[1] ?? NAMES;
  return text.split('\n').flatMap((raw, i) => {
    const line = raw.trim();
    if (/^[#;]/.test(line) || !(words.test(line) || NAMES.test(line))) return [];
    return [{ path, line: i + 1, text: line }];
  });
}

/** Looks only. The first line of each file that has any. */
export async function findPagesElsewhere(look: Look): Promise<PagesLine[]> {
  const found = new Map<string, PagesLine>();
  for (const path of await filesOf(look)) {
    if (PASSED_OVER.test(basename(path))) continue;
    const stat = await look.stat(path);
    if (stat?.kind !== 'file' || stat.size > LARGEST) continue;
    const real = (await look.realpath(path)) ?? path;
    const [first] = linesIn(path, await look.text(path));
    if (first !== undefined && !found.has(real)) found.set(real, first);
  }
  return [...found.values()];
}

export function elsewhereNote({ path, line, text }: PagesLine): string {
  return `${path}:${line} sets hugepages too, and counts where it comes later: ${text.slice(0, 120)}`;
}
