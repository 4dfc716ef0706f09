import { VhostHostError, messageOf, printable } from '../common/errors.js';
import { allowedCpus } from './model/cpulist.js';
import { chooseHugepages } from './addon/hugepages.js';
import type { Descriptors } from './descriptors.js';
import type { DmaChoice } from './uplinks/iova-mode.js';
import type { Settings } from './config/settings.js';
import type { EngineEvent, EngineInfo, NativeBinding } from './addon/native.js';
import type { Host } from '../host/host.js';

export interface RunningEngine extends EngineInfo {
  readonly hugepagesReason: string | null;
}

function badWorkers(message: string, hint: string): VhostHostError {
  return new VhostHostError('USAGE', message, { hint });
}

/** Refuses more workers than the engine has room for, and CPUs this process may not run on. */
async function checkWorkers(host: Host, binding: NativeBinding, workers: readonly number[]): Promise<void> {
  const { maxWorkers } = binding.limits;
  if (workers.length > maxWorkers) {
    throw badWorkers(
      `${workers.length} workers asked for, at most ${maxWorkers}`,
      'vhost-host start --workers CPULIST',
    );
  }
  const allowed = allowedCpus((await host.readOptional('/proc/self/status')) ?? '');
  if (allowed === undefined) return;
  const bad = workers.find((cpu) => cpu !== -1 && !allowed.includes(cpu));
  if (bad === undefined) return;
  throw badWorkers(
    `worker CPU ${bad}: this process may only run on CPU ${allowed.join(', ')}`,
    `vhost-host start --workers ${allowed[0] ?? 0}`,
  );
}

/** Physical addresses are those of hugepages, which stay where they are. */
function hugepagesMode({ hugepages }: Settings, { reason }: DmaChoice): Settings['hugepages'] {
  if (reason === undefined) return hugepages;
  if (hugepages !== 'off') return 'on';
  throw new VhostHostError('HUGEPAGES_TOO_FEW', `${reason}, which needs hugepages, and they are switched off`, {
    hint: 'vhost-host start --hugepages auto',
  });
}

/** Checks what the engine cannot say clearly itself, then starts it. */
export async function startEngine(
  parts: {
    readonly host: Host;
    readonly binding: NativeBinding;
    readonly settings: Settings;
    readonly dma: DmaChoice;
    readonly descriptors: Descriptors;
  },
  onEvents: (events: EngineEvent[]) => void,
): Promise<RunningEngine> {
  const { host, binding, settings, dma } = parts;
  const { workers, memoryMb, logLevel, poll, rxRetryNum, rxRetryDelayUs } = settings;
  const { zeroCopy, rxDescriptors, txDescriptors } = settings;
  await checkWorkers(host, binding, workers);
  const { use, reason } = await chooseHugepages(host, hugepagesMode(settings, dma), memoryMb);
  try {
    const info = binding.start(
      {
        ...{ workers, hugepages: use, memoryMb, memoryChannels: settings.memoryChannels ?? 0, logLevel, poll },
        ...{ rxRetryNum, rxRetryDelayUs, isolate: settings.vm2vm === 'off' },
        ...{ zeroCopy, rxDescriptors, txDescriptors },
        frontEndDescriptors: parts.descriptors.forFrontEnds,
        physicalAddresses: dma.addresses === 'physical',
      },
      onEvents,
    );
    return { ...info, hugepagesReason: info.hugepages ? null : (reason ?? 'DPDK did not take them') };
  } catch (error) {
    throw new VhostHostError('ENGINE_FAILED', `the packet engine does not start: ${printable(messageOf(error))}`, {
      cause: error,
      ...(use && dma.addresses === 'virtual' ? { hint: 'vhost-host start --hugepages off' } : {}),
    });
  }
}
