import type { Command } from 'commander';
import type { Look } from '../../common/output.js';
import type { Mac } from '../../switch/model/schema.js';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { duration, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';

const COLUMNS: readonly Column<Mac>[] = [
  { title: 'MAC', cell: ({ mac }) => mac },
  { title: 'VLAN', cell: ({ vlan }) => String(vlan), right: true },
  { title: 'ID', cell: ({ id }) => String(id), right: true },
  { title: 'PORT', cell: ({ port }) => port },
  { title: 'SEEN', cell: ({ ageSeconds }) => `${duration(ageSeconds)} ago` },
];

export function macLines(macs: readonly Mac[], look: Look = {}): string[] {
  return macs.length === 0 ? ['no addresses learned'] : tableLines(COLUMNS, macs, look);
}

export function addMacs(program: Command, context: CliContext): void {
  withClientOptions(program.command('macs').description('list the learned addresses')).action(
    async (options: ClientOptions) => {
      print(context, options, await clientOf(context, options).macs(), ({ macs }, look) => macLines(macs, look));
    },
  );
}
