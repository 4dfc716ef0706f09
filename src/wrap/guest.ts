import { groupOf, valueOf } from './cmdline/argv.js';
import type { Item } from './cmdline/argv.js';
import type { Command } from './cmdline/command.js';
import { asBoolean } from './cmdline/option-group.js';
import type { Group } from './cmdline/option-group.js';

/** What a command line says about the guest it starts. */

/** One of the lists that separate descriptors by colons. */
function countOf(list: string | undefined): number | undefined {
  return list === undefined ? undefined : list.split(':').length;
}

/** A tap netdev that asks for vhost, said outright or by passing a vhost descriptor: what we take over. */
export function isVhostTap(netdev: Group): boolean {
  if (netdev.get('type') !== 'tap') return false;
  const said = asBoolean(netdev.get('vhost'));
  if (said !== undefined) return said;
  const given = netdev.get('vhostfd') ?? netdev.get('vhostfds');
  return given !== undefined || asBoolean(netdev.get('vhostforce')) === true;
}

/** Queue pairs that the netdev asks for, by number or by the descriptors it was given. */
export function queuesOf(netdev: Group): number {
  const queues = Number(netdev.get('queues') ?? Number.NaN);
  if (Number.isInteger(queues) && queues > 0) return queues;
  return countOf(netdev.get('fds')) ?? countOf(netdev.get('vhostfds')) ?? 1;
}

/** A descriptor's number in an option, or a list of them; those that have names are not inherited ones. */
function numbersOf(text: string | undefined): number[] {
  const numbers = (text?.split(':') ?? []).filter((part) => /^\d{1,7}$/.test(part)).map(Number);
  return numbers.filter((fd) => fd > 2);
}

/**
 * Inherited descriptors of a netdev for /dev/vhost-net. Not the tap's own: libvirt asks for its tap by name
 * (statistics, bridge tables) as long as the guest runs, and it is there as long as somebody holds it open.
 */
export function vhostDescriptors(netdev: Group): number[] {
  return ['vhostfd', 'vhostfds'].flatMap((key) => numbersOf(netdev.get(key)));
}

/** Every number in the call that may be a descriptor: what is named there must stay open. */
export function descriptorsIn(texts: readonly string[]): Set<number> {
  const named = texts.flatMap((text) => [...text.matchAll(/fds?"?\s*[=:]\s*"?([\d:]+)|\/dev\/fd\/(\d+)/g)]);
  return new Set(named.flatMap(([, list, path]) => numbersOf(list ?? path)));
}

/** Whether any tap may want vhost, in whichever way that is written. The launcher asks the same (main.c). */
export function asksForVhost(command: Command): boolean {
  const taps = ['netdev', 'nic', 'net'].flatMap((name) => command.options(name));
  return (
    taps.some((item) => isVhostTap(groupOf(item))) ||
    command.options('set').some((item) => valueOf(item).includes('vhost'))
  );
}

export function vhostNetdevs(command: Command): Item[] {
  return command.options('netdev').filter((item) => isVhostTap(groupOf(item)));
}

/** The guest's name, as `-name NAME` or `-name guest=NAME`. */
export function guestName(command: Command): string | undefined {
  const names = command.options('name').map((item) => groupOf(item).get('guest'));
  return names.findLast((name) => name !== undefined && name !== '');
}

/** libvirt names every guest by a number, too. */
export function guestUuid(command: Command): string | undefined {
  return command.options('uuid').at(-1)?.args[1]?.text;
}

/** The accelerators that QEMU will try, in order. */
function accelerators(command: Command, emulator: string): string[] {
  const listed = command.options('accel').map((item) => groupOf(item).get('accel') ?? '');
  const machine = command.options('machine').findLast((item) => groupOf(item).get('accel') !== undefined);
  const said = machine === undefined ? listed : (groupOf(machine).get('accel') ?? '').split(':');
  if (said.length > 0) return said;
  // What QEMU does by itself depends on the name it is called by.
  return command.has('enable-kvm') || emulator.endsWith('kvm') ? ['kvm', 'tcg'] : ['tcg'];
}

/** Whether QEMU emulates the processor, as far as can be told before it runs. */
export function isEmulated(command: Command, emulator: string, kvm: boolean): boolean {
  return accelerators(command, emulator).find((name) => name !== 'kvm' || kvm) === 'tcg';
}

/** libvirt talks to every guest of its own over a monitor of this name. */
export function belowLibvirt(command: Command): boolean {
  return command.options('mon').some((item) => groupOf(item).get('chardev') === 'charmonitor');
}

const MAX_PORT_NAME = 63;

/** FNV-1a, 32 bits: tells apart the names that would otherwise become the same port name. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/**
 * The port of a guest's netdev, always the same for the same two names. A name that the switch would
 * not take has its foreign letters replaced and its end cut, and gets a fingerprint of what it was.
 */
export function portName(guest: string, netdev: string): string {
  const plain = `${guest}-${netdev}`;
  if (plain.length <= MAX_PORT_NAME && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(plain)) return plain;
  const clean = plain.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^[.-]/, '_');
  return `${clean.slice(0, MAX_PORT_NAME - 9)}-${fingerprint(plain)}`;
}
