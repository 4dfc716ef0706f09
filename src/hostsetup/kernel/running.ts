import { applySpec, fulfils, ownArgs } from './spec.js';
import type { KernelArgsSpec } from './spec.js';
import type { Host } from '../../host/host.js';

/** The size that `hugepages=` means on a command line that names none: the kernel's, not the one configured. */
export async function implicitPageSize(host: Host): Promise<string> {
  const bytes = Number((await host.readOptional('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size')) ?? 0);
  return bytes > 0 && bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}M` : '2M';
}

export interface RunningArguments {
  /** Of the running kernel, the ones that the spec is about. */
  readonly has: string;
  /** What it would have after a reboot, once the boot loader is set up; undefined where it has that now. */
  readonly awaits: string | undefined;
}

/** The running kernel against the spec; undefined where no kernel runs, as in an image. */
export async function readRunning(host: Host, asked: KernelArgsSpec): Promise<RunningArguments | undefined> {
  const line = await host.readOptional('/proc/cmdline');
  if (line === undefined) return undefined;
  const spec = { implicitSize: await implicitPageSize(host), ...asked };
  const has = ownArgs(line, spec).join(' ');
  return { has, awaits: fulfils(line, spec) ? undefined : ownArgs(applySpec(line, spec), spec).join(' ') };
}
