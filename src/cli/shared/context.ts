import type { Ask } from '../../hostsetup/setup/prompts.js';
import type { Look, Console } from '../../common/output.js';
import type { Clock } from '../../common/clock.js';
import type { NativeBinding } from '../../switch/addon/native.js';
import type { Signal } from '../daemon/signals.js';
import type { Host } from '../../host/host.js';

/** What the subcommands are composed of; `main.ts` makes the real one. */
export interface CliContext {
  readonly host: Host;
  readonly console: Console;
  /** The terminal that answers go to. */
  readonly look: Look;
  readonly clock: Clock;
  readonly version: string;
  /** The node program and the script that this process runs, to be started again as the daemon. */
  readonly node: string;
  /** As `process.version` has it. */
  readonly nodeVersion: string;
  readonly script: string;
  /** Against which relative paths of the command line are meant. */
  readonly cwd: string;
  /** Whether there is a terminal to ask on. */
  readonly interactive: boolean;
  /** Asks on the terminal; only where `interactive`. No is the default, and Ctrl-C is a no. */
  confirm(question: string): Promise<boolean>;
  /** Asks what is to be chosen; only where `interactive`. Ctrl-C ends the command with nothing changed. */
  ask: Ask;
  /** Deferred: only a daemon needs the addon. */
  loadBinding(): NativeBinding;
  onSignal(signal: Signal, handler: () => void): void;
  /** Node opens its debugger on SIGUSR1 as long as nobody listens to that; what has come of it ends here. */
  closeDebugger(): void;
  /** From here on whatever this process makes is private until it is opened on purpose. */
  makeFilesPrivate(): void;
  /** Writes one line to an inherited descriptor and closes it. */
  writeLine(descriptor: number, line: string): Promise<void>;
}
