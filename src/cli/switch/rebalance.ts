import type { Command } from 'commander';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { renamedLine } from '../../switch/config/renamed-keys.js';

async function rebalance(context: CliContext, options: ClientOptions): Promise<void> {
  print(context, options, await clientOf(context, options).rebalance(), ({ moved }) => [
    `${moved} ${moved === 1 ? 'queue' : 'queues'} moved`,
  ]);
}

export function addRebalance(program: Command, context: CliContext): void {
  withClientOptions(
    program.command('rebalance').description('distribute the guests over the workers anew, while frames flow'),
  ).action((options: ClientOptions) => rebalance(context, options));
  withClientOptions(program.command('spread', { hidden: true }).description('the old name of rebalance')).action(
    (options: ClientOptions) => {
      context.console.log(renamedLine('"vhost-host spread"', '"vhost-host rebalance"'));
      return rebalance(context, options);
    },
  );
}
