import { shortOf } from './hugepages.js';
import { info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';

/** What `vm check` finds in each domain. */

function guests(subject: Subject): Outcome[] {
  const { domains, libvirt } = subject.around;
  if (libvirt === undefined || libvirt.trouble !== undefined) return [];
  if (domains.length === 0) return [info('no domains are defined')];
  const short = shortOf(subject);
  return domains.flatMap(({ name, findings, trouble }) => {
    if (trouble !== undefined) return [info(`${name} could not be looked at: ${trouble}`)];
    // Told with the hugepages already, where the whole host has too few.
    const told = findings.filter(({ id }) => id !== 'hugepages-too-few' || !short.has(name));
    if (told.length === 0) return [ok(`${name}: nothing found`)];
    return told.map(({ state, reason, fix }) => ({ state, reason: `${name}: ${reason}`, fix }));
  });
}

function addresses({ around }: Subject): Outcome[] {
  if (around.switchRuns !== true) return [];
  if (around.contested.length === 0) return [ok('no two guests of the switch were heard with the same')];
  const fix = 'give each guest its own: -device virtio-net-pci,mac=52:54:00:…, or <mac address="52:54:00:…"/>';
  return around.contested.map((text) => warning(`${text}: each gets only a part of its frames`, fix));
}

export const GUEST_CHECKS: readonly Check[] = [
  {
    id: 'guests',
    title: 'domains',
    group: 'guests',
    live: true,
    states: ['ok', 'info', 'warning', 'error'],
    run: guests,
  },
  {
    id: 'guest-addresses',
    title: 'MAC addresses',
    group: 'guests',
    live: true,
    states: ['ok', 'warning'],
    run: addresses,
  },
];
