import type { Daemon } from '../../switch/daemon.js';
import type { Settings } from '../../switch/config/settings.js';
import type { CliContext } from '../shared/context.js';
import { errorObject } from '../shared/exit-code.js';
import { ENDING, IGNORED, REOPENING } from './signals.js';
import { statsLines } from '../switch/stats.js';

/**
 * The daemon itself, in this process, until it is told to stop. With a ready descriptor somebody
 * waits for one line: that it runs, or the error why not; and stderr is the log file then.
 */
export async function runDaemon(context: CliContext, settings: Settings, readyFd: number | undefined): Promise<void> {
  const tell = async (message: object): Promise<void> => {
    if (readyFd !== undefined) await context.writeLine(readyFd, JSON.stringify(message));
  };
  let daemon: Daemon;
  try {
    daemon = await startWithSignals(context, settings, readyFd !== undefined);
  } catch (error) {
    await tell(errorObject(error));
    throw error;
  }
  await tell({ ready: true, pid: process.pid });
  const printTable = (): void => statsLines(daemon.stats()).forEach((line) => context.console.log(line));
  const cancel = settings.stats === 0 ? undefined : context.clock.every(settings.stats * 1000, printTable);
  await daemon.stopped;
  cancel?.();
}

/** A signal that comes while the switch starts is heard as soon as it runs: half a start cannot be undone. */
async function startWithSignals(context: CliContext, settings: Settings, logsToFile: boolean): Promise<Daemon> {
  let stopWanted = false;
  let daemon = undefined as Daemon | undefined;
  const stop = (): void => {
    stopWanted = true;
    void daemon?.stop();
  };
  for (const signal of ENDING) context.onSignal(signal, stop);
  for (const signal of IGNORED) context.onSignal(signal, () => daemon?.log(`${signal} means nothing to the switch`));
  context.onSignal(REOPENING, () => void daemon?.reopenLog());
  context.closeDebugger();
  context.makeFilesPrivate();
  // Loaded here: the other subcommands need no server, and start faster without.
  const { startDaemon } = await import('../../switch/daemon.js');
  const { host, clock, version, console } = context;
  const write = (line: string): void => console.log(line);
  daemon = await startDaemon({ host, clock, version, settings, logsToFile, write, binding: context.loadBinding() });
  // Node opens it on another thread, which may have been slower than the first call.
  context.closeDebugger();
  if (stopWanted) await daemon.stop();
  return daemon;
}
