import { Option } from 'commander';
import type { Command } from 'commander';
import type { Look } from '../../common/output.js';
import { SwitchClient } from '../../switch/client/client.js';
import { resolveRunDir } from '../../switch/run-dir/paths.js';
import type { CliContext } from './context.js';
import { COMMON_OPTIONS } from './help-groups.js';

/** What every subcommand that talks to a running switch has in common. */
export interface ClientOptions {
  readonly runDir?: string;
  readonly json?: boolean;
}

export function withClientOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--run-dir <dir>',
        "directory the switch runs in (default: VHOST_HOST_RUN_DIR, else the user's own)",
      ).helpGroup(COMMON_OPTIONS),
    )
    .addOption(new Option('--json', 'print one JSON object').helpGroup(COMMON_OPTIONS));
}

export function runDirOf(context: CliContext, options: ClientOptions): string {
  return resolveRunDir(context.host, options.runDir);
}

export function clientOf(context: CliContext, options: ClientOptions): SwitchClient {
  return new SwitchClient(runDirOf(context, options));
}

/** Prints an answer: the object itself with `--json`, else the lines made of it. */
export function print<T>(
  context: CliContext,
  options: ClientOptions,
  answer: T,
  render: (answer: T, look: Look) => string[],
): void {
  const lines = options.json === true ? [JSON.stringify(answer)] : render(answer, context.look);
  for (const line of lines) context.console.print(line);
}
