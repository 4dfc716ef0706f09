import { hasCode } from '../../common/errors.js';
import { sizeText } from '../../common/bytes.js';
import { isDone } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import type { HostFacts } from '../facts/index.js';
import { Look } from '../../host/tolerant-reader.js';
import { detectBoot } from '../boot/detect.js';
import { BUILT } from '../boot/method.js';
import { keepDefaultSize } from '../kernel/default-hugepagesz.js';
import { nextCommandLine, planKernelArguments } from '../boot/plan.js';
import type { KernelPlan } from '../boot/plan.js';
import { readRunning } from '../kernel/running.js';
import type { KernelArgsSpec } from '../kernel/spec.js';
import { planModules } from '../modules/plan.js';
import { planMounts } from '../mounts/plan.js';
import { planNic } from '../nic/plan.js';
import { planPackages } from '../packages/plan.js';
import type { Need } from '../packages/names.js';
import type { ByHand, PartPlan } from '../../changes/part-plan.js';
import { defaultFloor, refuseAtStart } from '../hugepages/memory-reserve.js';
import { elsewhereNote, findPagesElsewhere } from '../hugepages/at-boot/elsewhere.js';
import { planPersistence } from '../hugepages/persist.js';
import { nextStart, planPools } from '../hugepages/plan.js';
import { isUnheld } from '../service/cards.js';
import { planService } from '../service/plan.js';
import { UNIT_PATH } from '../service/unit.js';
import type { Choices } from './choices.js';
import { planBuilt } from './built-system.js';
import { atBoot, kernelArgsSpecOf, mountSpecsOf, pagesOf, poolSpecsOf } from './specs.js';
import type { Settings, SizedPages } from './specs.js';
import { KERNEL } from '../hugepages/at-boot/kernel.js';
import type { Host } from '../../host/host.js';

/** All parts of `vhost-host setup`, in the order in which they are done. */

export interface SetupPlan {
  readonly steps: readonly Step[];
  /** What the user should know besides. */
  readonly notes: readonly string[];
  /** What somebody has to do. */
  readonly byHand: readonly ByHand[];
  /** Arguments that the boot loader is set up with, and the running kernel lacks. */
  readonly reboot: string | undefined;
  /** Pools that stay larger at each start than is wanted; part of the notes. */
  readonly larger: readonly string[];
}

const NOTHING: PartPlan = { steps: [], notes: [] };

/** Looks, and changes nothing. Planning again after all is done finds nothing to do. */
export async function planSetup(
  host: Host,
  facts: HostFacts,
  choices: Choices,
  settings: Settings,
): Promise<SetupPlan> {
  const { spec, notes: kept } = await keepDefaultSize(host, facts, kernelArgsSpecOf(facts, choices, settings));
  const kernel = spec === undefined ? undefined : await planKernelArguments(host, spec);
  const reboot = settings.now && spec !== undefined ? await awaited(host, spec, kernel) : undefined;
  const line = kernel?.line ?? (await nextCommandLine(host));
  const pages = await pools(host, facts, choices, settings, { reboot, line });
  const parts: PartPlan[] = [
    await packages(host, choices, settings),
    await modules(host, choices, settings),
    kernelPart(kept, kernel),
    pages,
    { steps: [], notes: await elsewhere(host, choices) },
    await mounts(host, choices, { settings, facts, line }),
    await nic(host, choices, settings, spec),
    await service(host, choices, settings),
  ];
  const all = await forThisSystem(host, facts, choices, settings, parts, kernel?.byHand);
  return {
    steps: all.flatMap(({ steps }) => steps),
    notes: [...(spec === undefined ? [] : unaskedCpu(facts, spec)), ...all.flatMap(({ notes }) => notes)],
    byHand: all.flatMap(({ byHand = [] }) => byHand),
    reboot,
    larger: [...(kernel?.larger ?? []), ...pages.larger],
  };
}

function kernelPart(kept: readonly string[], kernel: KernelPlan | undefined): PartPlan {
  if (kernel === undefined) return { steps: [], notes: kept };
  const { steps, notes, byHand } = kernel;
  return { steps, notes: [...kept, ...notes], byHand: byHand === undefined ? [] : [byHand] };
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
    pools: atBoot(pages) ? [] : poolSpecsOf(pages, nodes),
    mounts: mountSpecsOf(pages, qemuGid),
    modules: moduleNames(choices, settings),
    nic: choices.nic === undefined ? undefined : { address: choices.nic, driver },
    service: choices.boot ? { binary, config } : undefined,
  };
  const reason = `${facts.system.distribution.id || method.style} is built from its own configuration, and gets this there`;
  return [await planBuilt(host, facts, { style: method.style, reason }, parts, kernel, wanted)];
}

function unaskedCpu({ system }: HostFacts, { iommu }: KernelArgsSpec): string[] {
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
async function awaited(host: Host, spec: KernelArgsSpec, kernel: KernelPlan | undefined): Promise<string | undefined> {
  if (kernel?.byHand !== undefined || kernel?.steps.every(isDone) !== true) return undefined;
  return (await readRunning(host, spec))?.awaits;
}

interface Pages extends PartPlan {
  readonly larger: readonly string[];
}

/** Large pages are tried for once, and are there after the reboot in any case. */
async function pools(
  host: Host,
  facts: HostFacts,
  choices: Choices,
  { now, nodes, shrink }: Settings,
  { reboot, line }: { readonly reboot: string | undefined; readonly line: string },
): Promise<Pages> {
  const pages = pagesOf(choices);
  const specs = poolSpecsOf(pages, nodes);
  if (!atBoot(pages)) {
    const plan = await planPools(host, { pools: specs, now, persist: true, line, shrink });
    return { ...plan, larger: plan.larger.map(({ note }) => note) };
  }
  const { total } = facts.system.memory;
  if (total > 0) refuseAtStart(specs, facts.pools, total, defaultFloor(total));
  // The kernel's line reserves them, and somebody else may have a word after it.
  const kept = await planPersistence(host, specs, await nextStart(host, facts.pools, line), shrink);
  const larger = kept.larger.filter(({ by }) => by !== KERNEL).map(({ note }) => note);
  const parts: PartPlan[] = [{ steps: kept.steps, notes: [...kept.notes, ...larger], byHand: kept.byHand }];
  let floor = defaultFloor(total);
  for (const spec of now && reboot === undefined ? pages : []) {
    const part = await tryNow(host, facts, spec, nodes, floor);
    parts.push(part);
    if (!part.steps.every(isDone)) floor += spec.count * spec.pageSize;
  }
  return {
    steps: parts.flatMap(({ steps }) => steps),
    notes: parts.flatMap(({ notes }) => notes),
    byHand: parts.flatMap(({ byHand = [] }) => byHand),
    larger,
  };
}

async function elsewhere(host: Host, choices: Choices): Promise<string[]> {
  if (pagesOf(choices).length === 0) return [];
  return (await findPagesElsewhere(new Look(host))).map(elsewhereNote);
}

/** What is not to be had now is reserved at the next boot all the same. */
async function tryNow(
  host: Host,
  facts: HostFacts,
  spec: SizedPages,
  nodes: readonly number[],
  floorBytes: number,
): Promise<PartPlan> {
  const size = sizeText(spec.pageSize);
  if (!hasPool(facts, spec.pageSize)) return { steps: [], notes: [`pages of ${size} are there after a reboot only`] };
  try {
    return await planPools(host, { pools: poolSpecsOf([spec], nodes), floorBytes, now: true, persist: false });
  } catch (error) {
    if (!hasCode(error, 'SETUP_REFUSED') || error.details['floorBytes'] === undefined) throw error;
    return { steps: [], notes: [`pages of ${size} come with the next boot, and not now: ${error.message}`] };
  }
}

function hasPool(facts: HostFacts, pageSize: number): boolean {
  return facts.pools.pools.some((pool) => pool.pageSize === pageSize);
}

function mounts(
  host: Host,
  choices: Choices,
  { settings, facts, line }: { readonly settings: Settings; readonly facts: HostFacts; readonly line: string },
): Promise<PartPlan> {
  const specs = mountSpecsOf(pagesOf(choices), settings.qemuGid);
  return planMounts(host, {
    mounts: specs.map((spec) => ({ ...spec, atStart: !hasPool(facts, spec.pageSize) })),
    now: settings.now,
    line,
  });
}

function nic(
  host: Host,
  { nic: address }: Choices,
  { nicDriver: driver, forceNic: force, now }: Settings,
  spec: KernelArgsSpec | undefined,
): Promise<PartPlan> {
  if (address === undefined) return Promise.resolve(NOTHING);
  return planNic(host, { address, driver, force, now, iommuComing: spec?.iommu !== undefined });
}

/** A unit that an earlier run has left is told, too, that the switch shall not start at boot. */
async function service(host: Host, choices: Choices, settings: Settings): Promise<PartPlan> {
  const { boot, nic: card } = choices;
  const { binary, config, nicDriver: driver, ownUser, cuse } = settings;
  if (!boot && (await host.stat(UNIT_PATH)) === undefined) return NOTHING;
  const unheldCard = await isUnheld(host, { nic: card, driver });
  const needsRoot = card !== undefined ? `the network card ${card}` : cuse ? '/dev/usvhost-N (--cuse)' : undefined;
  const spec = { start: boot, binary, unheldCard, ownUser, needsRoot };
  return planService(host, { ...spec, ...(config === undefined ? {} : { config }) });
}
