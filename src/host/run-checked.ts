import { VhostHostError, printable } from '../common/errors.js';
import { linkName } from './kernel/sysfs-link.js';
import type { LinkTo } from './kernel/sysfs-link.js';
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

/** Times. On a busy machine udev has been seen to be done while a card was still where it had been. */
const AGAIN = 3;

/**
 * As `runOrFail`, and again, after `sayAgain`, while the link leads elsewhere. That it still does in the end is no
 * failure here: a step verifies it, and an undo must be able to go on where the card is gone.
 */
export async function runUntil(
  host: Host,
  argv: readonly string[],
  goal: LinkTo | undefined,
  sayAgain?: readonly string[],
): Promise<void> {
  await runOrFail(host, argv);
  if (goal === undefined) return;
  const reached = async (): Promise<boolean> => (await linkName(host, goal.link)) === goal.name;
  for (let turn = 0; turn < AGAIN && !(await reached()); turn++) {
    if (sayAgain !== undefined) await runOrFail(host, sayAgain);
    await runOrFail(host, argv);
  }
}
