import type { Look } from '../../host/tolerant-reader.js';
import { readModules } from './read.js';
import type { ModuleName, ModuleState } from './read.js';

/** Which kernel a plan is for, and what it has of the modules. */
export interface KernelModules {
  /** Release of the running kernel, else of the newest that is installed; undefined where there is none. */
  readonly kernel: string | undefined;
  readonly states: ReadonlyMap<ModuleName, ModuleState>;
}

const MODULES_DIR = '/lib/modules';

export async function readKernelModules(look: Look): Promise<KernelModules> {
  const running = (await look.text('/proc/sys/kernel/osrelease')) || undefined;
  const installed = [...(await look.list(MODULES_DIR))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const kernel = running ?? installed.at(-1);
  return { kernel, states: await readModules(look, kernel) };
}
