import { VhostHostError } from '../../common/errors.js';
import { changeableAround } from '../../host/trusted-place.js';
import type { PortRecord } from './port-record.js';
import { checkSocketPath } from '../run-dir/paths.js';
import type { Transport } from '../model/schema.js';
import type { NativeLimits } from '../addon/native.js';
import type { Host } from '../../host/host.js';

/** A port as requested, with what the switch adds to it. */
interface Requested {
  readonly name: string;
  readonly socket: string;
  readonly queues: number;
  readonly mac: string | undefined;
  readonly owner: string | undefined;
  readonly transports: readonly Transport[];
}

/** Throws where there cannot be such a port beside those that are there. */
export function checkPort(
  { name, socket, queues, mac, owner, transports }: Requested,
  { maxPorts, maxQueuePairs }: NativeLimits,
  ports: readonly PortRecord[],
): void {
  if (ports.some((port) => port.name === name)) throw new VhostHostError('PORT_EXISTS', `port ${name} exists already`);
  if (ports.length >= maxPorts) throw new VhostHostError('PORT_LIMIT', `the switch is full: ${maxPorts} ports`);
  if (queues > maxQueuePairs) {
    const message = `port ${name}: ${queues} queue pairs asked for, a port has at most ${maxQueuePairs}`;
    throw new VhostHostError('PORT_LIMIT', message, { hint: `--queues ${maxQueuePairs}, and as many for the guest` });
  }
  if (!socket.startsWith('/')) throw new VhostHostError('USAGE', `socket path ${socket} is not absolute`);
  checkSocketPath(socket);
  const other = ports.find((port) => port.socket === socket);
  if (other !== undefined) {
    throw new VhostHostError('PORT_FAILED', `port ${name}: ${socket} is the socket of port ${other.name}`);
  }
  if (owner !== undefined && transports.includes('cuse')) {
    const what = `port ${name}: an owner is recognised by who connects to the socket, which a device has done for it`;
    throw new VhostHostError('USAGE', what, { hint: 'leave out "cuse" of its transports, or the owner' });
  }
  const guest = mac === undefined ? undefined : ports.find((port) => port.mac === mac);
  if (guest !== undefined) {
    throw new VhostHostError('PORT_EXISTS', `port ${name}: port ${guest.name} is for the guest with ${mac ?? ''}`);
  }
}

/** A socket that others could take away and replace would hand them the guest that looks for it there. */
export async function refuseSharedPlace(host: Host, name: string, socket: string): Promise<void> {
  const doubt = await changeableAround(host, socket);
  if (doubt === undefined) return;
  const why = `${doubt.path} ${doubt.reason}, who could put another socket in its place`;
  throw new VhostHostError('PORT_FAILED', `port ${name}: ${socket} is no place for its socket: ${why}`, {
    hint: `vhost-host ports add ${name}, without --socket`,
    details: { socket, place: doubt.path },
  });
}
