import { dirname } from 'node:path';
import { planAttach } from '../../../src/libvirt/attach/attach.js';
import type { Attached } from '../../../src/libvirt/attach/attach.js';
import { explainChanges } from '../../../src/libvirt/attach/change-list.js';
import type { Change, Draft } from '../../../src/libvirt/attach/change-list.js';
import { selectNics } from '../../../src/libvirt/attach/select-nics.js';
import type { Mode } from '../../../src/libvirt/attach/select-nics.js';
import type { Remembered } from '../../../src/libvirt/attach/detach.js';
import { readDomain } from '../../../src/libvirt/domain/domain.js';
import type { HugepageChoice } from '../../../src/libvirt/attach/memory-plan.js';
import type { Pools } from '../../../src/host/kernel/hugepages.js';
import { XmlDocument } from '../../../src/libvirt/xml/document.js';

const MIB = 2 ** 20;

/** A host with two NUMA nodes and that many free hugepages, all of them on node 0. */
export function poolsWith(free2M: number, free1G: number): Pools {
  const pool = (pageSize: number, free: number): Pools['pools'][number] => ({
    pageSize,
    free,
    total: free,
    onDemand: 0,
    nodes: new Map([
      [0, { free, total: free }],
      [1, { free: 0, total: 0 }],
    ]),
  });
  return { pools: [pool(1024 * MIB, free1G), pool(2 * MIB, free2M)], defaultPageSize: 2 * MIB };
}

export interface Spec {
  readonly mode?: Mode;
  readonly nic?: string;
  readonly queues?: number;
  readonly offloads?: boolean;
  readonly hugepages?: HugepageChoice;
  readonly running?: boolean;
  /** By an attach before this one. */
  readonly earlier?: readonly Change[];
}

export const ours = (socket: string | undefined): boolean =>
  socket !== undefined && dirname(socket) === '/run/vhost-host';

/** Attaches a text as `vm attach` would, with `/run/vhost-host/port-DOMAIN-NETDEV.sock` for every port. */
export function attachAll(text: string, spec: Spec = {}, pools: Pools = poolsWith(0, 0)): Attached {
  const { mode = 'native', nic = 'all', queues, offloads = false, hugepages = 'auto', running = false } = spec;
  const { earlier = [] } = spec;
  const doc = XmlDocument.parse(text);
  const domain = readDomain(doc);
  const { nics, notes } = selectNics(domain, nic, mode, ours);
  const place = (port: string): [string, string] => [port, `/run/vhost-host/port-${port}.sock`];
  const ports = new Map(
    nics.map((one) => {
      const [port, socket] = ours(one.socket) ? ['kept', one.socket ?? ''] : place(`${domain.name}-${one.netdev}`);
      return [one.index, { port, socket }] as const;
    }),
  );
  const wrapper = '/usr/bin/qemu-wrap';
  const options = { mode, nics, ports, queues, offloads, hugepages, wrapper, pools, running, earlier, added: [] };
  const attached = planAttach(doc, domain, options);
  for (const { text: said, level } of notes) attached.draft.note(said, level);
  return attached;
}

export function attach(text: string, spec: Spec = {}, pools: Pools = poolsWith(0, 0)): Draft {
  return attachAll(text, spec, pools).draft;
}

/** A domain as detach knows it, by its record. */
export function remembered(original: string | null, left: string | null, changes: readonly Change[]): Remembered {
  const commands = { attach: 'vm attach r', detach: 'vm detach r', edit: 'virsh edit r' };
  return { name: 'r', mode: 'native', original, left, changes, commands };
}

/** What a user reads before the diff. */
export function explanation(draft: Draft): string[] {
  return [...explainChanges(draft.changes), ...draft.notes.map(({ level, text }) => `${level}: ${text}`)];
}
