import { planMounts } from '../../../src/hostsetup/mounts/plan.js';
import { planPools } from '../../../src/hostsetup/hugepages/plan.js';
import { messageOf } from '../../../src/common/errors.js';
import { realHost } from '../../../src/host/node-host.js';
import type { Step } from '../../../src/changes/steps.js';
import { doSteps, undoSteps } from './steps.js';
import type { PoolsSpec } from '../../../src/hostsetup/hugepages/spec.js';
import type { MountsSpec } from '../../../src/hostsetup/mounts/spec.js';

/**
 * `hugepages-setup.js pools|mounts SPEC` or `hugepages-setup.js undo`: pools and mounts of this very system, as a
 * program, because only a process can be in a mount namespace. Prints one line of JSON: steps done, remarks, notes.
 */
const [, , verb, spec = '{}'] = process.argv;

async function planned(): Promise<{ readonly steps: readonly Step[]; readonly notes: readonly string[] }> {
  if (verb === 'pools') return planPools(realHost, JSON.parse(spec) as PoolsSpec);
  return planMounts(realHost, JSON.parse(spec) as MountsSpec);
}

async function set(): Promise<unknown> {
  const { steps, notes } = await planned();
  const remarks: string[] = [];
  const remark = (_: Step, line: string): void => void remarks.push(line);
  const done = await doSteps(realHost, steps, remark);
  return { done, remarks, notes };
}

try {
  process.stdout.write(`${JSON.stringify(await (verb === 'undo' ? undoSteps(realHost) : set()))}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: messageOf(error) })}\n`);
}
