import { basename, dirname } from 'node:path';
import { VhostHostError, hasCode } from '../../../common/errors.js';
import type { Domain } from '../../../libvirt/domain/domain.js';
import type { Nic } from '../../../libvirt/domain/nic.js';
import { nicTitle } from '../../../libvirt/domain/nic.js';
import type { PortPlace } from '../../../libvirt/attach/attach.js';
import { checkSocketPath, portSocketPath } from '../../../switch/run-dir/paths.js';
import { MAX_QUEUE_PAIRS } from '../../../common/queue-pairs.js';
import { PortName } from '../../../switch/model/schema.js';
import type { Contested, Port } from '../../../switch/model/schema.js';
import { clientOf, runDirOf } from '../../shared/client-command.js';
import type { ClientOptions } from '../../shared/client-command.js';
import type { CliContext } from '../../shared/context.js';
import { checkFree, freeName, givesWay } from './port-choice.js';
import type { Rivals, SwitchView } from './port-use.js';
import type { PortUse } from './port-use.js';
import { PORT_SOCKET, portOfSocket } from './port-use.js';

/** `tolerant`: a switch that may not be asked is as good as none; for those who only look. */
export async function viewSwitch(context: CliContext, options: ClientOptions, tolerant: boolean): Promise<SwitchView> {
  const runDir = runDirOf(context, options);
  const client = clientOf(context, options);
  let ports: readonly Port[] | undefined;
  let config: string | null = null;
  let contested: readonly Contested[] = [];
  let dpdk: string | undefined;
  try {
    ports = (await client.ports()).ports;
    ({ config, contested, dpdk } = await client.status());
  } catch (error) {
    const none = hasCode(error, 'SWITCH_NOT_RUNNING') || (tolerant && hasCode(error, 'SWITCH_UNREACHABLE'));
    if (!none) throw error;
  }
  const ours = (socket: string | undefined): boolean =>
    socket !== undefined &&
    ((dirname(socket) === runDir && PORT_SOCKET.test(basename(socket))) ||
      ports?.some((port) => port.socket === socket) === true);
  return { runDir, ports, config, contested, dpdk, ours };
}

export interface PortSpec {
  readonly port?: string;
  readonly socket?: string;
  readonly queues?: number;
  readonly offloads?: boolean;
}

/** A port that an interface is to have, and whether the switch has it already. */
export interface PlannedPort extends PortPlace {
  readonly nic: Nic;
  readonly queues: number;
  readonly offloads: boolean;
  readonly existing: Port | undefined;
}

/** The socket that the interface has already and may keep. */
function keptSocket(nic: Nic, spec: PortSpec, view: SwitchView, rivals: Rivals): string | undefined {
  if (spec.port !== undefined || !view.ours(nic.socket) || givesWay(nic, rivals)) return undefined;
  return nic.socket;
}

function checkName(port: string): string {
  if (PortName.safeParse(port).success) return port;
  throw new VhostHostError('USAGE', 'a port name has 1 to 63 letters, digits, ".", "_" or "-"');
}

function planPort(
  domain: Domain,
  nic: Nic,
  spec: PortSpec,
  view: SwitchView,
  rivals: Rivals,
  chosen: ReadonlySet<string>,
): PlannedPort {
  const kept = keptSocket(nic, spec, view, rivals);
  const told = kept === undefined ? undefined : portOfSocket(kept, view);
  const port = spec.port === undefined ? (told ?? freeName(domain, nic, view, rivals, chosen)) : checkName(spec.port);
  const existing = view.ports?.find(({ name }) => name === port);
  const socket = spec.socket ?? existing?.socket ?? kept ?? portSocketPath(view.runDir, port);
  const queues = spec.queues ?? nic.queues;
  checkSocketPath(socket);
  if (queues > MAX_QUEUE_PAIRS) {
    const message = `${nicTitle(nic)} is to have ${queues} queue pairs, a port has at most ${MAX_QUEUE_PAIRS}`;
    throw new VhostHostError('PORT_LIMIT', message, { hint: `--queues ${MAX_QUEUE_PAIRS}` });
  }
  if (spec.port !== undefined || spec.socket !== undefined) checkFree(spec.port, socket, rivals);
  if (spec.port !== undefined && existing !== undefined && existing.state !== 'waiting' && !rivals.running) {
    throw new VhostHostError('PORT_IN_USE', `port ${port} has a guest, and ${domain.name} is not running`, {
      hint: 'choose another --port, or leave it out',
    });
  }
  if (existing !== undefined && existing.socket !== socket) {
    throw new VhostHostError('PORT_EXISTS', `port ${port} exists already and listens on ${existing.socket}`, {
      hint: 'leave --socket out, or choose another --port',
    });
  }
  if (existing !== undefined && existing.queues < queues) {
    throw new VhostHostError(
      'PORT_LIMIT',
      `${nicTitle(nic)} is to have ${queues} queue pairs, and port ${port} has ${existing.queues}`,
      { hint: `vhost-host ports rm ${port}, and once more` },
    );
  }
  return { nic, port, socket, queues, offloads: spec.offloads === true, existing };
}

export function planPorts(
  domain: Domain,
  nics: readonly Nic[],
  spec: PortSpec,
  view: SwitchView,
  rivals: Rivals,
): readonly PlannedPort[] {
  if (nics.length > 1 && (spec.port !== undefined || spec.socket !== undefined)) {
    throw new VhostHostError('USAGE', `--port and --socket are for one interface, and ${nics.length} are meant`, {
      hint: `--nic ${nics[0]?.index ?? 0}`,
    });
  }
  const chosen = new Set<string>();
  return nics.map((nic) => {
    const planned = planPort(domain, nic, spec, view, rivals, chosen);
    chosen.add(planned.port);
    return planned;
  });
}

/** Adds what is missing to the running switch; gives back the names of what it added. */
export async function addPorts(
  context: CliContext,
  options: ClientOptions,
  ports: readonly PlannedPort[],
): Promise<string[]> {
  const client = clientOf(context, options);
  const added: string[] = [];
  try {
    for (const { port, socket, queues, offloads, existing } of ports) {
      if (existing !== undefined) continue;
      await client.addPort({ name: port, socket, queues, offloads });
      added.push(port);
    }
    return added;
  } catch (error) {
    await removePorts(context, options, added);
    throw error;
  }
}

/**
 * Ports that attach added and that nobody needs any more go: not those that a guest is connected to, that another domain
 * is on, or that stand in the switch's configuration by now. Gives back what went, and what has its guest still.
 */
export async function clearPorts(
  context: CliContext,
  options: ClientOptions,
  names: readonly string[],
  others: readonly PortUse[],
): Promise<{ readonly removed: readonly string[]; readonly busy: readonly string[] }> {
  const view = await viewSwitch(context, options, true);
  const added = (view.ports ?? []).filter(({ name, socket, origin }) => {
    const used = others.some((use) => use.port === name || use.socket === socket);
    return names.includes(name) && origin !== 'config' && !used;
  });
  const removed = added.filter(({ state }) => state === 'waiting').map(({ name }) => name);
  await removePorts(context, options, removed);
  return { removed, busy: added.map(({ name }) => name).filter((name) => !removed.includes(name)) };
}

/** Takes ports away again; one that is gone already is no reason to stop. */
export async function removePorts(
  context: CliContext,
  options: ClientOptions,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    await clientOf(context, options)
      .removePort(name)
      .catch(() => undefined);
  }
}
