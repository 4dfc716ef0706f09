import { VhostHostError } from '../errors.js';
import { realHost } from '../host.js';
import type { Host } from '../host.js';
import { makeTalk } from '../log.js';
import type { Talk } from '../log.js';
import { readConfig } from '../wrap/config.js';
import { explain, explainText } from '../wrap/explain.js';
import { launch } from '../wrap/launch.js';
import { printPlan } from '../wrap/plan.js';
import { makeBroker } from './wrap-broker.js';

/**
 * The planner that `native/launch` runs: `wrap-plan MODE EMULATOR CONFIG [QEMU ARGUMENT…]`. MODE is
 * `plan` (the answer is for the launcher), `--explain` or `--explain=json`. Started with every guest,
 * so nothing heavy is imported here.
 */

async function main(host: Host, talk: Talk): Promise<void> {
  const [mode = '', emulator = '', configPath = '', ...args] = process.argv.slice(2);
  if (!['plan', '--explain', '--explain=json'].includes(mode)) {
    throw new VhostHostError('USAGE', `unknown option ${mode}`, { hint: 'qemu-wrap --explain=json ARG…' });
  }
  const config = await readConfig(host, configPath);
  if (emulator === '') {
    // The launcher reads the file without a JSON library and hands over whatever it cannot follow.
    throw new VhostHostError('CONFIG_INVALID', `${configPath}: a key or the emulator is written with escapes`, {
      hint: `write it in ${configPath} without backslashes`,
    });
  }
  const rewritten = await launch(args, config, host, makeBroker(host, talk, config), mode !== 'plan');
  if (mode === 'plan') {
    process.stdout.write(printPlan(rewritten));
    return;
  }
  const explanation = explain(emulator, rewritten);
  talk.answer(mode === '--explain' ? explainText(explanation) : JSON.stringify(explanation));
}

const talk = makeTalk('qemu-wrap', process.stdout, process.stderr);
try {
  await main(realHost, talk);
} catch (error) {
  await talk.fail(error);
  process.exitCode = 1;
}
