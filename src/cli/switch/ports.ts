import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import type { Look } from '../../common/output.js';
import { contestedText } from '../../switch/ports/contested-addresses.js';
import { DevIndex, GuestMac, MacLimit, Transports } from '../../switch/model/schema.js';
import type { Port, Transport } from '../../switch/model/schema.js';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { findFrontEnd } from './front-end-process.js';
import { explainWaiting } from './ports-waiting.js';
import { NOTHING, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';

const COLUMNS: readonly Column<Port>[] = [
  { title: 'ID', cell: ({ id }) => String(id), right: true },
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'STATE', cell: ({ state }) => state, tone: ({ state }) => (state === 'ready' ? 'good' : 'waiting') },
  { title: 'VLAN', cell: ({ vlan }) => vlan },
  { title: 'VLAN TAG', cell: ({ vlanTag }) => String(vlanTag), right: true },
  { title: 'QUEUES', cell: ({ queues, queuesInUse }) => `${queuesInUse}/${queues}`, right: true },
  { title: 'MACS', cell: ({ macs }) => macsCell(macs) },
  { title: 'POOL', cell: poolsCell, optional: true },
  { title: 'SOCKET', cell: waysCell },
];

/** Where guests connect: the socket, the device, or either. */
function waysCell({ socket, transports, device }: Port): string {
  return [...(transports.includes('user') ? [socket] : []), ...(device === null ? [] : [device])].join(' ');
}

/** By uplink: the card's pool that frames for the guest come by, or that they are sorted in software. */
function poolsCell({ pools }: Port): string {
  return pools.length === 0 ? NOTHING : pools.map(({ uplink, pool }) => `${uplink}:${pool ?? 'software'}`).join(' ');
}

/** A guest may have any number of addresses; `macs` lists them all. */
const SHOWN_MACS = 2;

function macsCell(macs: readonly string[]): string {
  const more = macs.length - SHOWN_MACS;
  if (macs.length === 0) return NOTHING;
  return macs.slice(0, SHOWN_MACS).join(' ') + (more > 0 ? ` +${more}` : '');
}

export function portLines(ports: readonly Port[], look: Look = {}): string[] {
  if (ports.length === 0) return ['no ports'];
  return [...tableLines(COLUMNS, ports, look), ...ports.flatMap(missingLines)];
}

/** Nothing of a port that nobody has come to yet, unless it is known why. */
function missingLines({ name, missing }: Port): string[] {
  if (missing === null || missing.reason === 'no_front_end') return [];
  return [`${name}: ${missing.text}${missing.hint === null ? '' : ` (${missing.hint})`}`];
}

export function parseQueues(text: string): number {
  const queues = Number(text);
  if (Number.isInteger(queues) && queues >= 1) return queues;
  throw new InvalidArgumentError('It must be a whole number from 1.');
}

function parseTransports(text: string): Transport[] {
  const result = Transports.safeParse(text.split(','));
  if (result.success) return result.data;
  throw new InvalidArgumentError('It must be user, cuse, or user,cuse.');
}

function parseDevIndex(text: string): number {
  const result = DevIndex.safeParse(/^\d{1,7}$/.test(text) ? Number(text) : NaN);
  if (result.success) return result.data;
  throw new InvalidArgumentError('It must be a whole number up to 999999.');
}

function parseMac(text: string): string {
  const result = GuestMac.safeParse(text);
  if (result.success) return result.data;
  throw new InvalidArgumentError('It must be the address of one network card.');
}

function parseMacLimit(text: string): number {
  const result = MacLimit.safeParse(/^\d{1,7}$/.test(text) ? Number(text) : NaN);
  if (result.success) return result.data;
  throw new InvalidArgumentError('It must be a whole number from 1 to 16384.');
}

interface AddOptions extends ClientOptions {
  readonly socket?: string;
  readonly queues?: number;
  readonly offloads?: boolean;
  readonly transports?: Transport[];
  readonly devIndex?: number;
  readonly mac?: string;
  readonly vlan?: string;
  readonly macLimit?: number;
  readonly forwardReserved?: boolean;
  readonly owner?: string;
}

interface RemoveOptions extends ClientOptions {
  readonly force?: boolean;
}

/** A guest whose port goes has no network from then on: asked on a terminal, refused without one. */
async function agreeToRemove(context: CliContext, options: RemoveOptions, name: string): Promise<void> {
  const { ports } = await clientOf(context, options).ports();
  const port = ports.find((other) => other.name === name);
  if (port === undefined || port.state === 'waiting') return;
  const guest = await findFrontEnd(context.host, port.socket);
  const loss = `port ${name} has a guest on it${guest === undefined ? '' : ` (${guest.title})`}, which loses its network`;
  if (!context.interactive || options.json === true) {
    throw new VhostHostError('PORT_IN_USE', loss, { hint: `vhost-host ports rm ${name} --force` });
  }
  if (await context.confirm(`${loss[0]?.toUpperCase()}${loss.slice(1)}. Remove it?`)) return;
  throw new VhostHostError('CANCELLED', 'cancelled: nothing was changed');
}

export function addPorts(program: Command, context: CliContext): void {
  // The options stand on the group as well, so that `ports --json` needs no `list`.
  const ports = withClientOptions(program.command('ports').description('list, add and remove ports'));
  withClientOptions(ports.command('list', { isDefault: true }).description('list the ports')).action(
    async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ClientOptions>();
      const client = clientOf(context, options);
      const { ports: found } = await client.ports();
      const { contested } = options.json === true ? { contested: [] } : await client.status();
      print(context, options, { ports: await explainWaiting(context.host, found) }, ({ ports }, look) => [
        ...portLines(ports, look),
        ...contested.map((same) => `${contestedText(same)}: give each guest its own (mac=52:54:00:…)`),
      ]);
    },
  );
  withClientOptions(ports.command('add <name>').description('add a port'))
    .option('--socket <path>', 'UNIX socket of the port (default: in the run directory)')
    .option('--queues <n>', 'queue pairs (default: 1)', parseQueues)
    .option('--offloads', 'let guests leave checksums and TCP segmentation to each other and the switch')
    .option('--transports <list>', 'how guests connect: user, cuse or both (default: user)', parseTransports)
    .option('--dev-index <n>', 'number of its device, for cuse (default: the first that is free)', parseDevIndex)
    .option('--mac <address>', "of the guest that it is for (default: found by the guest's name)", parseMac)
    .option('--vlan <mode>', "none, auto, access:N, trunk:all or trunk:LIST (default: the switch's)")
    .option('--mac-limit <n>', 'addresses that are learned of its guest at a time (default: 2048)', parseMacLimit)
    .option('--forward-reserved', 'forward what bridges keep to themselves: 01:80:c2:00:00:00 to 0f (STP, LACP, LLDP)')
    .option('--owner <who>', 'whose processes may connect: uid:NUMBER or domain:NAME (default: all that may open it)')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<AddOptions>();
      const { socket, queues, offloads, vlan, transports, devIndex, mac, macLimit, forwardReserved, owner } = options;
      const port = await clientOf(context, options).addPort({
        name,
        ...(socket === undefined ? {} : { socket: resolve(context.cwd, socket) }),
        ...(queues === undefined ? {} : { queues }),
        ...(offloads === undefined ? {} : { offloads }),
        ...(transports === undefined ? {} : { transports }),
        ...(devIndex === undefined ? {} : { devIndex }),
        ...(mac === undefined ? {} : { mac }),
        ...(vlan === undefined ? {} : { vlan }),
        ...(macLimit === undefined ? {} : { macLimit }),
        ...(forwardReserved === undefined ? {} : { forwardReserved }),
        ...(owner === undefined ? {} : { owner }),
      });
      print(context, options, port, (answer) => [
        `port ${answer.name} (${answer.id}) listens on ${waysCell(answer).replace(' ', ' and ')}`,
      ]);
    });
  withClientOptions(ports.command('rm <name>').description('remove a port'))
    .option('--force', 'also with a guest on it, which loses its network')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RemoveOptions>();
      if (options.force !== true) await agreeToRemove(context, options, name);
      const answer = await clientOf(context, options).removePort(name);
      print(context, options, answer, ({ removed }) => [`port ${removed} removed`]);
    });
}
