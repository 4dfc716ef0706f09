import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import { startOf } from '../../host/kernel/process.js';
import { lockPath, logPath } from '../../switch/run-dir/paths.js';
import { clientOf, print, runDirOf, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';

const DEADLINE_MS = 30_000;
const POLL_MS = 20;

async function untilGone({ host, clock }: CliContext, runDir: string, pid: number): Promise<void> {
  const deadline = clock.now() + DEADLINE_MS;
  while ((await host.lstat(lockPath(runDir))) !== undefined || (await startOf(host, pid)) !== undefined) {
    if (clock.now() >= deadline) {
      throw new VhostHostError('COMMAND_FAILED', `the switch in ${runDir} (process ${pid}) does not end`, {
        hint: `less ${logPath(runDir)}`,
      });
    }
    await delay(POLL_MS);
  }
}

export function addStop(program: Command, context: CliContext): void {
  withClientOptions(program.command('stop').description('stop the switch and wait until it is gone')).action(
    async (options: ClientOptions) => {
      const runDir = runDirOf(context, options);
      const { pid } = await clientOf(context, options).stop();
      await untilGone(context, runDir, pid);
      print(context, options, { stopped: true, runDir, pid }, () => [`switch in ${runDir} stopped`]);
    },
  );
}
