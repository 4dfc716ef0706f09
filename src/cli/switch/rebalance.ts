import type { Command } from 'commander';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';

export function addSpread(program: Command, context: CliContext): void {
  withClientOptions(
    program.command('spread').description('spread the guests over the workers anew, while frames flow'),
  ).action(async (options: ClientOptions) => {
    print(context, options, await clientOf(context, options).spread(), ({ moved }) => [
      `${moved} ${moved === 1 ? 'queue' : 'queues'} moved`,
    ]);
  });
}
