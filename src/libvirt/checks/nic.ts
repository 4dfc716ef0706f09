import { LOST, insteadOf } from '../attach/unsupported-elements.js';
import type { Lost } from '../attach/unsupported-elements.js';
import { modeOf } from './facts.js';
import type { CheckFacts } from './facts.js';
import { closedTo, unsaid } from '../domain/confidential.js';
import type { Domain } from '../domain/domain.js';
import { nicTitle } from '../domain/nic.js';
import type { Nic } from '../domain/nic.js';
import type { PropertyId } from '../domain/properties.js';
import { NO_HOOK } from '../install/hook.js';
import { MAX_QUEUE_PAIRS } from '../../common/queue-pairs.js';
import type { Check, Finding } from './check.js';

/** Interfaces: connected to something, and not promising what nobody does. */

type NicRule = (nic: Nic, domain: Domain, facts: CheckFacts) => Finding | undefined;

function eachNic(rule: NicRule): Check['run'] {
  return (domain, facts) => domain.nics.flatMap((nic) => rule(nic, domain, facts) ?? []);
}

function lostOf(property: PropertyId): Lost {
  const lost = LOST.find((candidate) => candidate.property === property);
  if (lost === undefined) throw new TypeError(`${property} is not among what is lost`);
  return lost;
}

/** libvirt takes the element on any interface, and does nothing with it where the frames do not pass the kernel. */
function ignored(property: PropertyId): Check['run'] {
  const lost = lostOf(property);
  return eachNic((nic, domain, facts) => {
    const bypasses = nic.type === 'vhostuser' || modeOf(domain, nic, facts.ours) === 'wrap';
    if (!bypasses || !nic.elements.includes(property)) return undefined;
    const reason = `${lost.what} on ${nicTitle(nic)} does nothing: its frames never pass the kernel${insteadOf(lost)}`;
    const fix = lost.ours ?? `virsh edit ${domain.name}: take it out, so that nobody counts on it`;
    return { level: 'warning', element: `<interface><${property}>`, reason, fix };
  });
}

const socketUnusable: NicRule = (nic, domain, facts) => {
  const trouble = nic.socket === undefined ? undefined : facts.sockets.get(nic.socket);
  if (nic.socket === undefined || trouble === undefined) return undefined;
  const missing = /does not exist$/.test(trouble);
  const start = facts.ports === undefined ? 'vhost-host start, then ' : '';
  const attach = facts.ours(nic.socket)
    ? `${start}vhost-host vm attach ${domain.name}`
    : `start the switch that it belongs to, or put it on ours: vhost-host vm attach ${domain.name} --nic ${nic.index}`;
  const fix = missing ? attach : `ls -l ${nic.socket}`;
  const reason = `${nicTitle(nic)} cannot connect to ${nic.socket}: ${trouble}`;
  return { level: 'error', element: '<interface><source path=>', reason, fix };
};

const portShared: NicRule = (nic, _domain, facts) => {
  const sharer = facts.sharers.get(nic.index);
  if (sharer === undefined) return undefined;
  const reason = `${nicTitle(nic)} is on ${sharer.what}, and so is ${sharer.who}: only one of them gets a connection`;
  return { level: 'error', element: '<interface><source path=>', reason, fix: sharer.fix };
};

const socketServer: NicRule = (nic, domain, facts) => {
  if (nic.mode !== 'server' || !facts.ours(nic.socket)) return undefined;
  const reason = `${nicTitle(nic)} waits for the switch to connect, and the switch waits for the guest`;
  const fix = `vhost-host vm attach ${domain.name}`;
  return { level: 'error', element: '<interface><source mode=>', reason, fix };
};

const noReconnect: NicRule = (nic, domain, facts) => {
  if (!facts.ours(nic.socket) || nic.mode === 'server' || nic.reconnects) return undefined;
  const reason = `${nicTitle(nic)} stays cut off once the switch was restarted`;
  const fix = `vhost-host vm attach ${domain.name} --nic ${nic.index}`;
  return { level: 'warning', element: '<interface><source><reconnect>', reason, fix };
};

const queuesTooFew: NicRule = (nic, _domain, facts) => {
  const port = facts.ports?.find(({ socket }) => socket === nic.socket);
  if (port === undefined || port.queues >= nic.queues || nic.queues > MAX_QUEUE_PAIRS) return undefined;
  const reason = `${nicTitle(nic)} wants ${nic.queues} queue pairs, port ${port.name} has ${port.queues}`;
  const fix = `vhost-host ports rm ${port.name} && vhost-host ports add ${port.name} --queues ${nic.queues}`;
  return { level: 'error', element: '<interface><driver queues=>', reason, fix };
};

const queuesTooMany: NicRule = (nic, domain, facts) => {
  if (nic.queues <= MAX_QUEUE_PAIRS || modeOf(domain, nic, facts.ours) === undefined) return undefined;
  const reason = `${nicTitle(nic)} wants ${nic.queues} queue pairs, a port has at most ${MAX_QUEUE_PAIRS}`;
  const fix = `vhost-host vm attach ${domain.name} --nic ${nic.index} --queues ${MAX_QUEUE_PAIRS}`;
  return { level: 'error', element: '<interface><driver queues=>', reason, fix };
};

const emulatedVhost: NicRule = (nic, domain, facts) => {
  if (domain.type === 'kvm' || nic.type === 'vhostuser' || nic.driver !== 'vhost') return undefined;
  const level = modeOf(domain, nic, facts.ours) === 'wrap' ? 'error' : 'warning';
  const reason = `libvirt ignores the vhost driver of ${nicTitle(nic)}, because the domain has type='${domain.type}'`;
  const fix = `vhost-host vm attach ${domain.name} --mode native`;
  return { level, element: '<interface><driver name=>', reason, fix };
};

const mtuFails: NicRule = (nic, domain) => {
  if (nic.type !== 'vhostuser' || !nic.elements.includes('mtu')) return undefined;
  const lost = lostOf('mtu');
  const reason = `${lost.what} on ${nicTitle(nic)} ${lost.effect} the domain: there is no tap device to set it on`;
  const fix = `virsh edit ${domain.name}: take it out${insteadOf(lost)}`;
  return { level: 'error', element: '<interface><mtu>', reason, fix };
};

/** Interfaces whose frames pass the switch's own eyes. */
function reached(rule: typeof closedTo, level: Finding['level']): Check['run'] {
  return eachNic((nic, domain, facts) => {
    if (nic.type !== 'vhostuser' && modeOf(domain, nic, facts.ours) !== 'wrap') return undefined;
    const found = rule(domain, nic);
    return found === undefined ? undefined : { level, ...found };
  });
}

function hookMissing(domain: Domain, facts: CheckFacts): Finding[] {
  if (facts.hook || !domain.nics.some((nic) => modeOf(domain, nic, facts.ours) === 'native')) return [];
  return [{ level: 'warning', element: '<interface type=>', reason: NO_HOOK, fix: 'sudo vhost-host libvirt setup' }];
}

export const NIC_CHECKS: readonly Check[] = [
  { id: 'vlan-ignored', title: 'VLAN tags are put on by somebody', run: ignored('vlan') },
  { id: 'bandwidth-ignored', title: 'rates are limited by somebody', run: ignored('bandwidth') },
  { id: 'filter-ignored', title: 'packets are filtered by somebody', run: ignored('filterref') },
  { id: 'isolation-ignored', title: 'ports are isolated by somebody', run: ignored('port') },
  { id: 'mtu-fails', title: 'no MTU is asked of a tap device that is not there', run: eachNic(mtuFails) },
  {
    id: 'socket-unusable',
    title: 'the QEMU user can connect to the socket',
    stopsStart: true,
    run: eachNic(socketUnusable),
  },
  { id: 'port-shared', title: 'a port belongs to one interface of one domain', run: eachNic(portShared) },
  { id: 'socket-server', title: 'one side of each socket listens', stopsStart: true, run: eachNic(socketServer) },
  { id: 'no-reconnect', title: 'guests come back when the switch does', run: eachNic(noReconnect) },
  { id: 'queues-too-few', title: 'ports have as many queues as their guests want', run: eachNic(queuesTooFew) },
  { id: 'queues-too-many', title: 'guests want no more queues than a port may have', run: eachNic(queuesTooMany) },
  {
    id: 'confidential-closed',
    title: 'confidential guests share what the switch has to reach',
    stopsStart: true,
    run: reached(closedTo, 'error'),
  },
  {
    id: 'iommu-without-ats',
    title: "a guest's IOMMU tells the switch what the guest takes back",
    run: reached(unsaid, 'warning'),
  },
  { id: 'hook-missing', title: 'a missing switch or port is said when a guest starts', run: hookMissing },
  { id: 'vhost-emulated', title: 'the vhost driver is not asked of an emulated guest', run: eachNic(emulatedVhost) },
];
