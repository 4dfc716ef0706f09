import { VhostHostError, printable } from './errors.js';
import type { Host } from './host.js';

/** Runs a command that has to end well; its error says what it said itself. */
export async function runOrFail(host: Host, argv: readonly string[]): Promise<void> {
  const [command = '', ...args] = argv;
  const { exitCode, stderr, stdout } = await host.run(command, args);
  if (exitCode === 0) return;
  const said = printable(stderr !== '' ? stderr : stdout);
  throw new VhostHostError('COMMAND_FAILED', `${argv.join(' ')} failed (exit code ${exitCode})${said && `: ${said}`}`, {
    details: { argv, exitCode },
  });
}
