import { hasCode } from '../errors.js';
import type { Host } from '../host.js';
import { sizeText } from '../sizes.js';
import { isDone } from '../steps.js';
import type { Step } from '../steps.js';
import type { HostFacts } from './facts.js';
import { detectBoot } from './boot-detect.js';
import { BUILT } from './boot-method.js';
import { planKernelArguments } from './kernel-plan.js';
import type { KernelPlan } from './kernel-plan.js';
import { readRunning } from './kernel-running.js';
import type { KernelWish } from './kernel-wish.js';
import { planModules } from './modules-plan.js';
import { planMounts } from './mounts-plan.js';
import { planNic } from './nic-plan.js';
import { planPackages } from './packages-plan.js';
import type { Need } from './package-names.js';
import type { ByHand, PartPlan } from './plan-part.js';
import { defaultFloor, refuseAtStart } from './pools-floor.js';
import { planPools } from './pools-plan.js';
import { planService } from './service-plan.js';
import { UNIT_PATH } from './service-unit.js';
import type { Choices } from './setup-choices.js';
import { planBuilt } from './setup-built.js';
import { atBoot, kernelWishOf, mountWishesOf, pagesOf, poolWishesOf } from './setup-wish.js';
import type { Settings, SizedPages } from './setup-wish.js';

/** All parts of `vhost-host setup`, in the order in which they are done. */

export interface SetupPlan {
  readonly steps: readonly Step[];
  /** What the user should know besides. */
  readonly notes: readonly string[];
  /** What somebody has to do. */
  readonly byHand: readonly ByHand[];
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
    kernel === undefined ? NOTHING : { ...kernel, byHand: kernel.byHand === undefined ? [] : [kernel.byHand] },
    await pools(host, facts, choices, settings, reboot),
    await mounts(host, facts, choices, settings),
    await nic(host, choices, settings, wish),
    await service(host, choices, settings),
  ];
  const all = await forThisSystem(host, facts, choices, settings, parts, kernel?.byHand);
  return {
    steps: all.flatMap(({ steps }) => steps),
    notes: [...(wish === undefined ? [] : unaskedCpu(facts, wish)), ...all.flatMap(({ notes }) => notes)],
    byHand: all.flatMap(({ byHand = [] }) => byHand),
    reboot,
  };
}

/** The parts as they are, or what a system that is built from a configuration makes of them. */
async function forThisSystem(
  host: Host,
  facts: HostFacts,
  choices: Choices,
  settings: Settings,
  parts: readonly PartPlan[],
  kernel: ByHand | undefined,
): Promise<readonly PartPlan[]> {
  const method = await detectBoot(host);
  if (method.kind !== 'by-hand' || !BUILT.includes(method.style)) return parts;
  const pages = pagesOf(choices);
  const { nicDriver: driver, binary, config, qemuGid, nodes } = settings;
  const wanted = {
    pools: atBoot(pages) ? [] : poolWishesOf(pages, nodes),
    mounts: mountWishesOf(pages, qemuGid),
    modules: moduleNames(choices, settings),
    nic: choices.nic === undefined ? undefined : { address: choices.nic, driver },
    service: choices.boot ? { binary, config } : undefined,
  };
  const reason = `${facts.system.distribution.id || method.style} is built from its own configuration, and gets this there`;
  return [await planBuilt(host, facts, { style: method.style, reason }, parts, kernel, wanted)];
}

function unaskedCpu({ system }: HostFacts, { iommu }: KernelWish): string[] {
  if (iommu === undefined || system.kernel !== undefined) return [];
  return [
    'the card needs the IOMMU, and an image does not tell the processor: intel_iommu=on is for those of Intel, and others take no notice',
  ];
}

function needsOf({ nic: card }: Choices, { cuse }: Settings): Need[] {
  return [
    'qemu',
    'libvirt',
    ...(card === undefined ? [] : (['driverctl'] as const)),
    ...(cuse ? (['cuse'] as const) : []),
  ];
}

/** Named in any case, installed on request. */
async function packages(host: Host, choices: Choices, settings: Settings): Promise<PartPlan> {
  const plan = await planPackages(host, { needs: needsOf(choices, settings) });
  const missing = plan.steps.filter((step) => !isDone(step));
  if (choices.install || missing.length === 0) return plan;
  return { steps: [], notes: missing.map(({ current, wanted }) => `${current}; --install installs ${wanted}`) };
}

function moduleNames({ nic: card }: Choices, { nicDriver, cuse }: Settings): ('vfio-pci' | 'cuse')[] {
  const vfio = card !== undefined && nicDriver === 'vfio-pci';
  return [...(vfio ? (['vfio-pci'] as const) : []), ...(cuse ? (['cuse'] as const) : [])];
}

function modules(host: Host, choices: Choices, settings: Settings): Promise<PartPlan> {
  const names = moduleNames(choices, settings);
  const { now, cuse } = settings;
  const { install } = choices;
  return names.length === 0
    ? Promise.resolve(NOTHING)
    : planModules(host, { modules: names, now, coming: install && cuse ? ['cuse'] : [] });
}

/** undefined where the boot loader is not set up yet, or the kernel runs with what it says. */
async function awaited(host: Host, wish: KernelWish, kernel: KernelPlan | undefined): Promise<string | undefined> {
  if (kernel?.byHand !== undefined || kernel?.steps.every(isDone) !== true) return undefined;
  return (await readRunning(host, wish))?.awaits;
}

/** Large pages are tried for once, and are there after the reboot in any case. */
async function pools(
  host: Host,
  facts: HostFacts,
  choices: Choices,
  settings: Settings,
  reboot: string | undefined,
): Promise<PartPlan> {
  const { now, nodes } = settings;
  const pages = pagesOf(choices);
  if (!atBoot(pages)) return planPools(host, { pools: poolWishesOf(pages, nodes), now, persist: true });
  const { total } = facts.system.memory;
  if (total > 0) refuseAtStart(poolWishesOf(pages, nodes), facts.pools, total, defaultFloor(total));
  if (!now || reboot !== undefined) return NOTHING;
  const parts: PartPlan[] = [];
  let floor = defaultFloor(total);
  for (const wish of pages) {
    const part = await tryNow(host, facts, wish, nodes, floor);
    parts.push(part);
    if (!part.steps.every(isDone)) floor += wish.count * wish.pageSize;
  }
  return { steps: parts.flatMap(({ steps }) => steps), notes: parts.flatMap(({ notes }) => notes) };
}

/** What is not to be had now is reserved at the next boot all the same. */
async function tryNow(
  host: Host,
  facts: HostFacts,
  wish: SizedPages,
  nodes: readonly number[],
  floorBytes: number,
): Promise<PartPlan> {
  const size = sizeText(wish.pageSize);
  if (!hasPool(facts, wish.pageSize)) return { steps: [], notes: [`pages of ${size} are there after a reboot only`] };
  try {
    return await planPools(host, { pools: poolWishesOf([wish], nodes), floorBytes, now: true, persist: false });
  } catch (error) {
    if (!hasCode(error, 'SETUP_REFUSED') || error.details['floorBytes'] === undefined) throw error;
    return { steps: [], notes: [`pages of ${size} come with the next boot, and not now: ${error.message}`] };
  }
}

function hasPool(facts: HostFacts, pageSize: number): boolean {
  return facts.pools.pools.some((pool) => pool.pageSize === pageSize);
}

function mounts(host: Host, facts: HostFacts, choices: Choices, { now, qemuGid }: Settings): Promise<PartPlan> {
  const wishes = mountWishesOf(pagesOf(choices), qemuGid);
  return planMounts(host, {
    mounts: wishes.map((wish) => ({ ...wish, atStart: !hasPool(facts, wish.pageSize) })),
    now,
  });
}

function nic(
  host: Host,
  { nic: address }: Choices,
  { nicDriver: driver, forceNic: force, now }: Settings,
  wish: KernelWish | undefined,
): Promise<PartPlan> {
  if (address === undefined) return Promise.resolve(NOTHING);
  return planNic(host, { address, driver, force, now, iommuComing: wish?.iommu !== undefined });
}

/** A unit that an earlier run has left is told, too, that the switch shall not start at boot. */
async function service(host: Host, { boot }: Choices, { binary, config }: Settings): Promise<PartPlan> {
  if (!boot && (await host.stat(UNIT_PATH)) === undefined) return NOTHING;
  return planService(host, { start: boot, binary, ...(config === undefined ? {} : { config }) });
}
