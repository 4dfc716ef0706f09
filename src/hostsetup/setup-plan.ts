import type { Host } from '../host.js';
import { isDone } from '../steps.js';
import type { Step } from '../steps.js';
import type { HostFacts } from './facts.js';
import { planKernelArguments } from './kernel-plan.js';
import type { ByHand, KernelPlan } from './kernel-plan.js';
import { readRunning } from './kernel-running.js';
import type { KernelWish } from './kernel-wish.js';
import { planModules } from './modules-plan.js';
import { planMounts } from './mounts-plan.js';
import { planNic } from './nic-plan.js';
import { planPackages } from './packages-plan.js';
import type { Need } from './packages-plan.js';
import type { PartPlan } from './plan-part.js';
import { planPools } from './pools-plan.js';
import { planService } from './service-plan.js';
import type { Choices } from './setup-choices.js';
import { atBoot, kernelWishOf, mountWishesOf, pagesOf, poolWishesOf } from './setup-wish.js';
import type { Settings } from './setup-wish.js';

/** All parts of `vhost-host setup`, in the order in which they are done. */

export interface SetupPlan {
  readonly steps: readonly Step[];
  /** What the user should know besides. */
  readonly notes: readonly string[];
  /** Kernel arguments that somebody has to add. */
  readonly byHand: ByHand | undefined;
  /** Arguments that the boot loader is set up with, and the running kernel lacks. */
  readonly reboot: string | undefined;
}

const NOTHING: PartPlan = { steps: [], notes: [] };

/** Looks, and changes nothing. Planning again after all is done finds nothing to do. */
export async function planSetup(
  host: Host,
  facts: HostFacts,
  choices: Choices,
  settings: Settings,
): Promise<SetupPlan> {
  const wish = kernelWishOf(facts, choices, settings);
  const kernel = wish === undefined ? undefined : await planKernelArguments(host, wish);
  const reboot = settings.now && wish !== undefined ? await awaited(host, wish, kernel) : undefined;
  const parts: PartPlan[] = [
    await packages(host, choices, settings),
    await modules(host, choices, settings),
    kernel ?? NOTHING,
    await pools(host, choices, settings, reboot),
    await planMounts(host, { mounts: mountWishesOf(pagesOf(choices), settings.qemuGid), now: settings.now }),
    await nic(host, facts, choices, settings),
    await service(host, choices, settings),
  ];
  return {
    steps: parts.flatMap(({ steps }) => steps),
    notes: parts.flatMap(({ notes }) => notes),
    byHand: kernel?.byHand,
    reboot,
  };
}

function needsOf({ nic: card }: Choices, { cuse }: Settings): Need[] {
  return ['qemu', 'libvirt', ...(card === undefined ? [] : (['driverctl'] as const)), ...(cuse ? (['cuse'] as const) : [])];
}

/** Named in any case, installed on request. */
async function packages(host: Host, choices: Choices, settings: Settings): Promise<PartPlan> {
  const { steps, notes } = await planPackages(host, { needs: needsOf(choices, settings) });
  if (choices.install) return { steps, notes };
  const missing = steps.filter((step) => !isDone(step)).map(({ wanted }) => `${wanted}: --install does it`);
  return { steps: [], notes: [...missing, ...notes] };
}

function modules(host: Host, { nic: card }: Choices, { nicDriver, cuse, now }: Settings): Promise<PartPlan> {
  const vfio = card !== undefined && nicDriver === 'vfio-pci';
  return planModules(host, { modules: [...(vfio ? (['vfio-pci'] as const) : []), ...(cuse ? (['cuse'] as const) : [])], now });
}

/** undefined where the boot loader is not set up yet, or the kernel runs with what it says. */
async function awaited(host: Host, wish: KernelWish, kernel: KernelPlan | undefined): Promise<string | undefined> {
  if (kernel?.byHand !== undefined || kernel?.steps.every(isDone) !== true) return undefined;
  return (await readRunning(host, wish))?.awaits;
}

/** Large pages are tried for once, and are there after the reboot in any case. */
function pools(host: Host, choices: Choices, settings: Settings, reboot: string | undefined): Promise<PartPlan> {
  const pages = pagesOf(choices);
  const byKernel = atBoot(pages);
  if (byKernel && reboot !== undefined) return Promise.resolve(NOTHING);
  return planPools(host, { pools: poolWishesOf(pages, settings.nodes), now: settings.now, persist: !byKernel });
}

function nic(host: Host, facts: HostFacts, { nic: address }: Choices, settings: Settings): Promise<PartPlan> {
  if (address === undefined) return Promise.resolve(NOTHING);
  const { nicDriver: driver, forceNic: force } = settings;
  // Without an IOMMU it can be bound at the next boot only, which brings one.
  const now = settings.now && (driver !== 'vfio-pci' || facts.iommu.groups > 0);
  return planNic(host, { address, driver, force, now });
}

function service(host: Host, { boot }: Choices, { binary, config, now }: Settings): Promise<PartPlan> {
  if (!boot) return Promise.resolve(NOTHING);
  return planService(host, { start: boot, binary, ...(config === undefined ? {} : { config }), now });
}
