import { VhostHostError } from '../../common/errors.js';
import { DOMAIN, Draft } from './change-list.js';
import type { Change, Owner } from './change-list.js';
import { LOST, insteadOf, removeLost } from './unsupported-elements.js';
import type { Mode } from './select-nics.js';
import { planConfidential } from '../domain/confidential.js';
import type { Domain } from '../domain/domain.js';
import { nicTitle } from '../domain/nic.js';
import type { Nic } from '../domain/nic.js';
import { planMemory } from './memory-plan.js';
import type { HugepageChoice } from './memory-plan.js';
import { carryOver, netChanges, ownerOf } from './nic-match.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { wayBackXml } from './way-back.js';
import type { XmlDocument } from '../xml/document.js';

/** From a stock domain to one on our switch, as a list of changes. Pure: touches no host. */

/** Where an interface goes, in native mode. */
export interface PortPlace {
  readonly port: string;
  readonly socket: string;
}

export interface AttachSpec {
  readonly mode: Mode;
  readonly nics: readonly Nic[];
  /** By interface; native mode only. */
  readonly ports: ReadonlyMap<number, PortPlace>;
  readonly queues: number | undefined;
  /** Let the guest leave checksums and segmentation to others. */
  readonly offloads: boolean;
  readonly hugepages: HugepageChoice;
  /** qemu-wrap's path, in wrap mode. */
  readonly wrapper: string;
  readonly pools: Pools;
  /** The guest holds its hugepages already. */
  readonly running: boolean;
  /** What earlier attaches have changed. */
  readonly earlier: readonly Change[];
  /** Ports that this attach and earlier ones have added to the switch. */
  readonly added: readonly string[];
}

export interface Attached {
  readonly draft: Draft;
  /** With what was changed earlier: all that there is to take back. */
  readonly changes: readonly Change[];
}

const OFFLOADS = ['host-csum', 'host-gso', 'guest-tso4', 'guest-tso6', 'guest-ecn'] as const;
const RECONNECT_SECONDS = '1';

/** The socket that the interface has in the end. */
function socketOf(nic: Nic, { ports }: AttachSpec): string | null {
  return ports.get(nic.index)?.socket ?? nic.socket ?? null;
}

/** What both modes need of the card that the guest sees. */
function planCard(draft: Draft, owner: Owner, nic: Nic, spec: AttachSpec): void {
  if (nic.model?.startsWith('virtio') !== true) {
    draft.set(owner, 'model', 'virtio', 'the card becomes virtio, the only one that vhost works with');
    draft.note(
      `${nicTitle(nic)} was ${nic.model ?? 'of the default model'}: the guest needs a virtio-net driver`,
      'warning',
    );
  }
  const { queues } = spec;
  if (queues !== undefined && queues !== nic.queues)
    draft.set(owner, 'queues', String(queues), `${queues} queue pairs`);
}

function planNative(draft: Draft, nic: Nic, spec: AttachSpec): void {
  const owner = ownerOf(nic, socketOf(nic, spec));
  const place = spec.ports.get(nic.index);
  if (place === undefined) throw new TypeError(`${nicTitle(nic)} has no port`);
  const why = `connected to port ${place.port} of the switch, and again whenever the switch was restarted`;
  if (nic.type !== 'vhostuser') draft.set(owner, 'source', null, why);
  draft.set(owner, 'type', 'vhostuser', why);
  draft.set(owner, 'source-type', 'unix', why);
  draft.set(owner, 'source-path', place.socket, why);
  draft.set(owner, 'source-mode', 'client', why);
  draft.set(owner, 'reconnect-enabled', 'yes', why);
  if (draft.value(owner, 'reconnect-timeout') === null) draft.set(owner, 'reconnect-timeout', RECONNECT_SECONDS, why);
  planCard(draft, owner, nic, spec);
  draft.set(owner, 'driver-name', null, 'the driver name chooses between kernel and QEMU, and this is neither');
  if (!spec.offloads) {
    for (const offload of OFFLOADS) {
      draft.set(owner, offload, 'off', 'offloads off: the switch passes frames on as they are');
    }
  }
  removeLost(draft, owner, nicTitle(nic));
}

function planWrap(draft: Draft, nic: Nic, spec: AttachSpec): void {
  const owner = ownerOf(nic, null);
  draft.set(owner, 'driver-name', 'vhost', 'vhost asked for: that is what qemu-wrap connects to the switch');
  planCard(draft, owner, nic, spec);
  for (const lost of LOST) {
    if (!lost.matters || lost.effect !== 'does nothing on' || draft.value(owner, lost.property) === null) continue;
    const what = lost.what.replace(/,$/, '');
    draft.note(`${nicTitle(nic)}: ${what} does nothing to what goes through the switch${insteadOf(lost)}`, 'warning');
  }
}

/** Those that libvirt's QEMU driver runs: Xen, bhyve, LXC and others know neither vhost-user nor an emulator of ours. */
const QEMU_TYPES = ['kvm', 'qemu', 'hvf'];

function checkHypervisor({ name, type }: Domain): void {
  if (QEMU_TYPES.includes(type)) return;
  throw new VhostHostError('DOMAIN_UNFIT', `${name} has type='${type}': only guests of QEMU can be on the switch`, {
    hint: 'vhost-host vm list',
  });
}

function checkWrap(domain: Domain): void {
  if (domain.type === 'kvm') return;
  throw new VhostHostError(
    'DOMAIN_UNFIT',
    `${domain.name} has type='${domain.type}', for which libvirt ignores <driver name='vhost'/>: wrap mode needs kvm`,
    { hint: 'use --mode native' },
  );
}

/** Everything that has to change; no changes where the domain is attached as asked already. */
export function planAttach(doc: XmlDocument, domain: Domain, spec: AttachSpec): Attached {
  checkHypervisor(domain);
  const draft = new Draft(doc);
  if (spec.mode === 'wrap') {
    checkWrap(domain);
    draft.set(DOMAIN, 'emulator', spec.wrapper, 'qemu-wrap stands in for QEMU');
  }
  planMemory(draft, domain, spec.hugepages, spec.pools, spec.running);
  for (const nic of spec.nics) {
    if (spec.mode === 'wrap') planWrap(draft, nic, spec);
    else planNative(draft, nic, spec);
    planConfidential(draft, ownerOf(nic, spec.mode === 'wrap' ? null : socketOf(nic, spec)), domain, nic);
  }
  const earlier = carryOver(doc, domain.nics, spec.earlier, (nic) => socketOf(nic, spec));
  const changes = netChanges([...earlier, ...draft.changes]);
  if (draft.changes.length > 0) {
    const wayBack = wayBackXml({ mode: spec.mode, ports: spec.added, changes });
    draft.set(DOMAIN, 'way-back', wayBack, 'what it was before goes with its XML, also into snapshots and copies');
  }
  return { draft, changes };
}
