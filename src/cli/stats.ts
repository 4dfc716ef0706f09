import type { Command } from 'commander';
import type { PortStats } from '../switch/schema.js';
import { clientOf, print, withClientOptions } from './client-command.js';
import type { ClientOptions } from './client-command.js';
import type { CliContext } from './context.js';
import { count, tableLines } from './table.js';
import type { Column } from './table.js';

const COLUMNS: readonly Column<PortStats>[] = [
  { title: 'ID', cell: ({ id }) => String(id), right: true },
  { title: 'PORT', cell: ({ name }) => name },
  { title: 'FROM GUEST', cell: ({ counters }) => count(counters.txPackets), right: true },
  { title: 'BYTES', cell: ({ counters }) => count(counters.txBytes), right: true },
  { title: 'TO GUEST', cell: ({ counters }) => count(counters.rxPackets), right: true },
  { title: 'BYTES', cell: ({ counters }) => count(counters.rxBytes), right: true },
  { title: 'INTERRUPTS', cell: ({ counters }) => count(counters.interrupts), right: true },
  { title: 'DROPS', cell: (port) => dropsCell(port) },
];

/** Every reason that ever happened, by its name. */
function dropsCell({ counters }: PortStats): string {
  const reasons = Object.entries(counters.drops).filter(([, dropped]) => dropped > 0);
  return reasons.length === 0 ? '-' : reasons.map(([reason, dropped]) => `${reason} ${count(dropped)}`).join(', ');
}

export function statsLines(ports: readonly PortStats[]): string[] {
  return ports.length === 0 ? ['no ports'] : tableLines(COLUMNS, ports);
}

export function addStats(program: Command, context: CliContext): void {
  withClientOptions(program.command('stats').description('show what was counted at each port')).action(
    async (options: ClientOptions) => {
      print(context, options, await clientOf(context, options).stats(), (answer) => statsLines(answer.ports));
    },
  );
}
