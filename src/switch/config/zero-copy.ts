import { VhostHostError } from '../../common/errors.js';
import type { Config } from './config.js';
import type { Flags, Settings, ZeroCopy } from './settings.js';

/** Those of DPDK's vhost example. */
const DEFAULTS = { rxDescriptors: 32, txDescriptors: 64 } as const;
const OPTIONS = { rxDescriptors: '--rx-desc-num', txDescriptors: '--tx-desc-num' } as const;
const FEWEST = 32;
const MOST = 32_768;

function refuse(message: string, hint: string): never {
  throw new VhostHostError('USAGE', message, { hint });
}

function descriptors(key: keyof typeof OPTIONS, spec: number | undefined, zeroCopy: boolean): number {
  const option = OPTIONS[key];
  if (spec === undefined) return DEFAULTS[key];
  if (!zeroCopy) refuse(`${option} (${key}) only means something with --zero-copy 1`, 'vhost-host start --zero-copy 1');
  if (spec >= FEWEST && spec <= MOST && Number.isInteger(Math.log2(spec))) return spec;
  return refuse(
    `${option} (${key}): ${spec} is no power of two from ${FEWEST} to ${MOST}`,
    `vhost-host start ${option} ${DEFAULTS[key]}`,
  );
}

/** What is asked for, if it goes together. */
export function resolveZeroCopy(config: Config, flags: Flags, vm2vm: Settings['vm2vm']): ZeroCopy {
  const zeroCopy = flags.zeroCopy ?? config.zeroCopy ?? false;
  if (zeroCopy && vm2vm === 'software') {
    refuse(
      '--zero-copy 1 does not go with --vm2vm 1: between guests the switch copies',
      'vhost-host start --zero-copy 1 --vm2vm 0',
    );
  }
  return {
    zeroCopy,
    rxDescriptors: descriptors('rxDescriptors', flags.rxDescNum ?? config.rxDescriptors, zeroCopy),
    txDescriptors: descriptors('txDescriptors', flags.txDescNum ?? config.txDescriptors, zeroCopy),
  };
}
