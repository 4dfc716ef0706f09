import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { Look } from '../../common/output.js';
import { VhostHostError } from '../../common/errors.js';
import { renamedLine } from '../../switch/config/renamed-keys.js';
import { Mtu, UNKNOWN_UNICAST, UplinkAdd } from '../../switch/model/schema.js';
import type { Uplink } from '../../switch/model/schema.js';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { parseQueues } from './ports.js';
import { parseCount } from '../daemon/option-parsers.js';
import { NOTHING, count, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';

const COLUMNS: readonly Column<Uplink>[] = [
  { title: 'ID', cell: ({ id }) => String(id), right: true },
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'LINK', cell: ({ state }) => state, tone: ({ state }) => (state === 'up' ? 'good' : 'bad') },
  { title: 'MBIT/S', cell: ({ speedMbps }) => (speedMbps === null ? NOTHING : String(speedMbps)), right: true },
  { title: 'MTU', cell: ({ mtu }) => String(mtu), right: true },
  { title: 'OFFLOADS', cell: ({ offloads }) => (offloads.length === 0 ? NOTHING : offloads.join(',')), optional: true },
  { title: 'WORKERS', cell: ({ workers }) => workers.join(','), right: true },
  { title: 'POOLS', cell: ({ pools }) => poolsCell(pools), right: true, optional: true },
  { title: 'ZC TX', cell: ({ zeroCopied }) => countCell(zeroCopied), right: true, optional: true },
  { title: 'ZC RX', cell: ({ zeroCopiedIn }) => countCell(zeroCopiedIn), right: true, optional: true },
  { title: 'UNKNOWN UNICAST', cell: ({ unknownUnicast }) => unknownUnicast },
  { title: 'MACS', cell: ({ macs }) => count(macs), right: true },
  { title: 'DRIVER', cell: ({ driver }) => driver },
  { title: 'DEVICE', cell: ({ device }) => device },
];

function countCell(n: number | null): string {
  return n === null ? NOTHING : count(n);
}

/** How many guests have one of how many, and how many others there are. */
function poolsCell(pools: Uplink['pools']): string {
  if (pools === null) return NOTHING;
  const others = pools.software.length === 0 ? '' : ` +${pools.software.length}`;
  return `${pools.taken.length}/${pools.count}${others}`;
}

export function uplinkLines(uplinks: readonly Uplink[], look: Look = {}): string[] {
  return uplinks.length === 0 ? ['no uplinks'] : tableLines(COLUMNS, uplinks, look);
}

/** `NAME=DEVICE` of `start --uplink`. */
export function parseUplink(text: string, before: readonly UplinkAdd[] = []): readonly UplinkAdd[] {
  const { name, device } = /^(?<name>[^=,]+)=(?<device>.+)$/.exec(text)?.groups ?? {};
  const spec = UplinkAdd.safeParse({ name, device });
  if (!spec.success) throw new InvalidArgumentError('NAME=DEVICE, such as net0=0000:03:00.0.');
  return [...before, spec.data];
}

function parseMtu(text: string): number {
  const result = Mtu.safeParse(/^\d{1,5}$/.test(text) ? Number(text) : NaN);
  if (result.success) return result.data;
  throw new InvalidArgumentError('It must be a whole number from 68 to 9978.');
}

type AddOptions = ClientOptions &
  Omit<UplinkAdd, 'name' | 'device'> & {
    /** The old name of `unknownUnicast`. */
    readonly strays?: UplinkAdd['unknownUnicast'];
  };

function unknownUnicastOf(context: CliContext, { strays, unknownUnicast }: AddOptions): UplinkAdd['unknownUnicast'] {
  if (strays === undefined) return unknownUnicast;
  if (unknownUnicast !== undefined) {
    throw new VhostHostError('USAGE', '--strays is the old name of --unknown-unicast, and both are given', {
      hint: 'vhost-host uplinks add NAME DEVICE --unknown-unicast drop|flood',
    });
  }
  context.console.log(renamedLine('--strays', '--unknown-unicast'));
  return strays;
}

export function addUplinks(program: Command, context: CliContext): void {
  const uplinks = withClientOptions(program.command('uplinks').description('list, add and remove uplinks'));
  withClientOptions(uplinks.command('list', { isDefault: true }).description('list the uplinks')).action(
    async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ClientOptions>();
      print(context, options, await clientOf(context, options).uplinks(), ({ uplinks }, look) =>
        uplinkLines(uplinks, look),
      );
    },
  );
  withClientOptions(uplinks.command('add <name> <device>').description('add a network card or a virtual device'))
    .option('--queues <n>', 'receive queues, each polled by one worker (default: 1)', parseQueues)
    .option('--mtu <bytes>', "sets the device's MTU (default: as it is)", parseMtu)
    .option('--buffers <n>', 'packet buffers (default: as many as its rings and the workers need)', parseCount)
    .option('--pools <n>', 'for how many guests to use VMDq (default: as many as the card can)', parseCount)
    .addOption(
      new Option(
        '--unknown-unicast <what>',
        'frames for addresses that no guest is known to have (default: drop)',
      ).choices(UNKNOWN_UNICAST),
    )
    .addOption(new Option('--strays <what>', 'the old name of --unknown-unicast').choices(UNKNOWN_UNICAST).hideHelp())
    .option('--forward-reserved', 'forward what bridges keep to themselves: 01:80:c2:00:00:00 to 0f (STP, LACP, LLDP)')
    .action(async (name: string, device: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<AddOptions>();
      const { queues, mtu, buffers, pools, forwardReserved } = options;
      const unknownUnicast = unknownUnicastOf(context, options);
      const spec = { name, device, queues, mtu, buffers, unknownUnicast, pools, forwardReserved };
      const uplink = await clientOf(context, options).addUplink(spec);
      print(context, options, uplink, (answer) => [
        `uplink ${answer.name} (${answer.id}) on ${answer.device}, link ${answer.state}`,
        ...(answer.remark === null ? [] : [answer.remark]),
      ]);
    });
  withClientOptions(uplinks.command('rm <name>').description('remove an uplink; its device is let go of')).action(
    async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ClientOptions>();
      const answer = await clientOf(context, options).removeUplink(name);
      print(context, options, answer, ({ removed }) => [`uplink ${removed} removed`]);
    },
  );
}
