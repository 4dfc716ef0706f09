import type { Command } from 'commander';
import type { Look } from '../../common/output.js';
import type { PortStats, StatsList, UplinkStats } from '../../switch/model/schema.js';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { NOTHING, count, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';

const COLUMNS: readonly Column<PortStats>[] = [
  { title: 'ID', cell: ({ id }) => String(id), right: true },
  { title: 'PORT', cell: ({ name }) => name },
  { title: 'FROM GUEST', cell: ({ counters }) => count(counters.txPackets), right: true },
  { title: 'BYTES FROM', cell: ({ counters }) => count(counters.txBytes), right: true },
  { title: 'TO GUEST', cell: ({ counters }) => count(counters.rxPackets), right: true },
  { title: 'BYTES TO', cell: ({ counters }) => count(counters.rxBytes), right: true },
  { title: 'INTERRUPTS', cell: ({ counters }) => count(counters.interrupts), right: true },
  { title: 'DROPS', cell: ({ counters }) => reasons(counters.drops) },
];

/** Every reason that ever happened, by its name. */
function reasons(counts: Readonly<Record<string, number>>): string {
  const found = Object.entries(counts).filter(([, dropped]) => dropped > 0);
  return found.length === 0 ? NOTHING : found.map(([reason, dropped]) => `${reason} ${count(dropped)}`).join(', ');
}

const UPLINK_COLUMNS: readonly Column<UplinkStats>[] = [
  { title: 'ID', cell: ({ id }) => String(id), right: true },
  { title: 'UPLINK', cell: ({ name }) => name },
  { title: 'FROM NETWORK', cell: ({ counters }) => count(counters.txPackets), right: true },
  { title: 'BYTES FROM', cell: ({ counters }) => count(counters.txBytes), right: true },
  { title: 'TO NETWORK', cell: ({ counters }) => count(counters.rxPackets), right: true },
  { title: 'BYTES TO', cell: ({ counters }) => count(counters.rxBytes), right: true },
  { title: 'DROPS', cell: ({ counters }) => reasons(counters.drops) },
  { title: 'BY THE DEVICE', cell: ({ device }) => reasons(device) },
];

export function statsLines({ ports, uplinks }: StatsList, look: Look = {}): string[] {
  const lines = ports.length === 0 ? ['no ports'] : tableLines(COLUMNS, ports, look);
  return uplinks.length === 0 ? lines : [...lines, '', ...tableLines(UPLINK_COLUMNS, uplinks, look)];
}

export function addStats(program: Command, context: CliContext): void {
  withClientOptions(program.command('stats').description('show what was counted at each port')).action(
    async (options: ClientOptions) => {
      print(context, options, await clientOf(context, options).stats(), statsLines);
    },
  );
}
