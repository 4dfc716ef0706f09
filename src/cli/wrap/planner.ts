import { VhostHostError, printable } from '../../common/errors.js';
import { makeConsole } from '../../common/output.js';
import type { Console } from '../../common/output.js';
import { quickHost, writeAll } from '../../host/sync-host.js';
import { configFor, readConfig } from '../../wrap/config/config.js';
import { explain, explainText } from '../../wrap/explain.js';
import { launch } from '../../wrap/launch.js';
import { printPlan } from '../../wrap/plan.js';
import { readFiles } from '../../wrap/cmdline/readconfig.js';
import { identify } from '../../wrap/rewrite.js';
import { makeBroker } from './switch-broker.js';
import { errand, openDevice, waitForTurn } from './launcher-request.js';

/**
 * The planner that `native/launch` runs: `wrap-plan MODE EMULATOR CONFIG [QEMU ARGUMENT…]`. MODE is
 * `plan` (the answer is for the launcher), `--explain` or `--explain=json`. Started with every guest, as
 * one file (`.ci/lib/bundle.mjs`), so nothing heavy is imported here, nor is a stream opened in vain.
 */

const makeOurConsole = (): Console => makeConsole('qemu-wrap', process.stdout, process.stderr);

async function main(): Promise<void> {
  const [mode = '', emulator = '', configPath = '', ...args] = process.argv.slice(2);
  if (!['plan', '--explain', '--explain=json'].includes(mode)) {
    throw new VhostHostError('USAGE', `unknown option ${mode}`, { hint: 'qemu-wrap --explain=json ARG…' });
  }
  const file = await readConfig(quickHost, configPath);
  if (emulator === '') {
    // The launcher reads the file without a JSON library and hands over whatever it cannot follow.
    throw new VhostHostError('CONFIG_INVALID', `${configPath}: a key or the emulator is written with escapes`, {
      hint: `write it in ${configPath} without backslashes`,
    });
  }
  const config = configFor(file, identify(args, await readFiles(quickHost, args)), quickHost.env);
  const log = (line: string): void => writeAll(2, `${line}\n`);
  // The launcher lives as long as this process does (PR_SET_PDEATHSIG), and execs QEMU.
  const pid = process.ppid;
  const broker = makeBroker({ host: quickHost, log, exchange: errand, open: openDevice, pid }, config);
  const call = { args, emulator, processor: process.arch, config, dry: mode !== 'plan' };
  const rewritten = await launch(call, quickHost, broker, waitForTurn);
  if (mode === 'plan') {
    for (const remark of rewritten.remarks) log(`qemu-wrap: ${printable(remark)}`);
    writeAll(1, printPlan(rewritten));
    return;
  }
  const explanation = explain(emulator, rewritten);
  makeOurConsole().print(mode === '--explain' ? explainText(explanation) : JSON.stringify(explanation));
}

main().catch(async (error: unknown) => {
  process.exitCode = 1;
  await makeOurConsole().fail(error);
});
