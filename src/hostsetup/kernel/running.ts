import { applyWish, fulfils, ownArgs } from './spec.js';
import type { KernelWish } from './spec.js';
import type { Host } from '../../host/host.js';

/** The size that `hugepages=` means on a command line that names none: the kernel's, not the one configured. */
export async function implicitPageSize(host: Host): Promise<string> {
  const bytes = Number((await host.readOptional('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size')) ?? 0);
  return bytes > 0 && bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}M` : '2M';
}

export interface RunningArguments {
  /** Of the running kernel, the ones that the wish is about. */
  readonly has: string;
  /** What it would have after a reboot, once the boot loader is set up; undefined where it has that now. */
  readonly awaits: string | undefined;
}

/** The running kernel against the wish; undefined where no kernel runs, as in an image. */
export async function readRunning(host: Host, asked: KernelWish): Promise<RunningArguments | undefined> {
  const line = await host.readOptional('/proc/cmdline');
  if (line === undefined) return undefined;
  const wish = { implicitSize: await implicitPageSize(host), ...asked };
  const has = ownArgs(line, wish).join(' ');
  return { has, awaits: fulfils(line, wish) ? undefined : ownArgs(applyWish(line, wish), wish).join(' ') };
}
