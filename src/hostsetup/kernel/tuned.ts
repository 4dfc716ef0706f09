import { lastValue } from '../system/shell-vars.js';
import { ownArgs } from './spec.js';
import type { KernelArgsSpec } from './spec.js';
import type { Host } from '../../host/host.js';

/** What tuned's bootloader plugin puts on the command line, behind everything else. */
export interface Tuned {
  readonly profile: string;
  readonly args: string;
}

export async function readTuned(host: Host): Promise<Tuned | undefined> {
  const profile = (await host.readOptional('/etc/tuned/active_profile'))?.trim() ?? '';
  const boot = (await host.readOptional('/etc/tuned/bootcmdline')) ?? '';
  const args = lastValue(boot, 'TUNED_BOOT_CMDLINE') ?? '';
  return profile === '' || args === '' ? undefined : { profile, args };
}

/** Arguments of ours that the profile sets: there is one place to change them, and it is not ours. */
export function ownedByTuned({ args }: Tuned, spec: KernelArgsSpec): string[] {
  return ownArgs(args, spec);
}
