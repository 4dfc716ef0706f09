import { groupOf } from './argv.js';
import type { Item } from './argv.js';
import type { Command } from './command.js';
import { asBoolean } from './group.js';
import type { Group } from './group.js';

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

/**
 * Inherited descriptors of /dev/vhost-net that nobody needs once the netdev is vhost-user. The tap's
 * own stay open: libvirt goes on naming the interface (statistics, link state), and it lives as long
 * as its descriptor does.
 */
export function vhostDescriptors(netdev: Group): number[] {
  const listed = [netdev.get('vhostfd'), netdev.get('vhostfds')].flatMap((list) => list?.split(':') ?? []);
  return listed
    .filter((text) => /^\d{1,7}$/.test(text))
    .map(Number)
    .filter((fd) => fd > 2);
}

export function vhostNetdevs(command: Command): Item[] {
  return command.options('netdev').filter((item) => isVhostTap(groupOf(item)));
}

/** The guest's name, as `-name NAME` or `-name guest=NAME`. */
export function guestName(command: Command): string | undefined {
  const names = command.options('name').map((item) => groupOf(item).get('guest'));
  return names.findLast((name) => name !== undefined && name !== '');
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
