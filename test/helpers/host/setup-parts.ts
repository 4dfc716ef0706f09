import { realHost } from '../../../src/host/node-host.js';
import { planService } from '../../../src/hostsetup/service/plan.js';
import type { ServiceSpec } from '../../../src/hostsetup/service/plan.js';
import { offlineHost } from '../../../src/host/chroot-host.js';
import { doSteps, undoSteps } from './steps.js';

/**
 * `setup-parts.js set SPEC` | `undo`: the service's part of setup on the system it runs on, as a program, because only
 * a process can be in a mount namespace. Prints the steps done, or the error. systemd is installed there and does not
 * run, as in an image.
 */
const host = offlineHost(realHost);
const [verb, spec = '{}'] = process.argv.slice(2);

async function set(): Promise<string[]> {
  const { steps } = await planService(host, JSON.parse(spec) as ServiceSpec);
  return doSteps(host, steps);
}

try {
  process.stdout.write(`${JSON.stringify(await (verb === 'set' ? set() : undoSteps(host)))}\n`);
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
  process.exitCode = 1;
}
