import { applySteps } from '../../src/apply.js';
import { realHost } from '../../src/host.js';
import { planService } from '../../src/hostsetup/service-plan.js';
import type { ServiceWish } from '../../src/hostsetup/service-plan.js';
import { Journal } from '../../src/journal.js';
import { planUndo, undoOne } from '../../src/undo.js';

/**
 * `setup-parts.js set WISH` | `undo`: the service's part of setup on the system it runs on, as a program, because only
 * a process can be in a mount namespace. Prints the steps done, or the error.
 */
const [verb, wish = '{}'] = process.argv.slice(2);
const what = 'test';

async function set(): Promise<string[]> {
  const { steps } = await planService(realHost, JSON.parse(wish) as ServiceWish);
  return applySteps(realHost, steps, { what, undoHint: '', around: (_, work) => work() });
}

async function undo(): Promise<string[]> {
  const plan = await planUndo(realHost, await Journal.list(realHost, what), []);
  for (const undoing of plan) await undoOne(realHost, undoing, []);
  return plan.map(({ line }) => line);
}

try {
  process.stdout.write(`${JSON.stringify(await (verb === 'set' ? set() : undo()))}\n`);
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
  process.exitCode = 1;
}
