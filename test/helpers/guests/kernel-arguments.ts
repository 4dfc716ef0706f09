import { planKernelArguments } from '../../../src/hostsetup/boot/plan.js';
import { realHost } from '../../../src/host/node-host.js';
import { rootedHost } from '../../../src/host/chroot-host.js';
import { doSteps, undoSteps } from '../host/steps.js';

/**
 * `kernel-arguments.js ROOT set|undo [PAGES]`: the kernel arguments of the system below ROOT, as a program, because
 * only a process can be in a mount namespace. Prints the steps done, or the error.
 */
const [root = '', verb, pages = '4'] = process.argv.slice(2);
const host = rootedHost(realHost, root);

async function set(): Promise<string[]> {
  const spec = { hugepages: { defaultSize: '1G', pools: [{ size: '1G', count: Number(pages) }] } };
  const { steps, byHand } = await planKernelArguments(host, spec);
  if (byHand !== undefined) return [`by hand: ${byHand.reason}`];
  return doSteps(host, steps);
}

try {
  process.stdout.write(`${JSON.stringify(await (verb === 'set' ? set() : undoSteps(host)))}\n`);
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
  process.exitCode = 1;
}
