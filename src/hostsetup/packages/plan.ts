import { arch } from 'node:os';
import type { Action, Step } from '../../changes/steps.js';
import { detectBoot } from '../boot/detect.js';
import { Look } from '../../host/tolerant-reader.js';
import { readSystem } from '../kernel/system-facts.js';
import { findProgram } from '../../host/find-program.js';
import { readKernelModules } from '../modules/state.js';
import type { KernelModules } from '../modules/state.js';
import { MANAGERS, NAMES } from './names.js';
import type { Machine, Need, PackageManager } from './names.js';
import { packageSnippet } from './snippets.js';
import type { PartPlan } from '../../changes/part-plan.js';
import type { Host } from '../../host/host.js';

export interface PackageSpec {
  readonly needs: readonly Need[];
}

const TITLES: Readonly<Record<Need, string>> = {
  qemu: 'QEMU',
  libvirt: 'libvirt',
  cuse: 'the kernel module cuse',
  driverctl: 'driverctl',
};

/** Whether it is there, however it came: a QEMU of one's own needs no package. */
async function isThere(look: Look, need: Need, { states }: KernelModules): Promise<boolean> {
  switch (need) {
    case 'qemu': {
      const places = await Promise.all(
        ['/usr/bin', '/usr/local/bin', '/run/current-system/sw/bin'].map((dir) => look.list(dir)),
      );
      const named = places.flat().some((name) => /^qemu-system-[a-z0-9_]+$/.test(name));
      return named || (await look.stat('/usr/libexec/qemu-kvm')) !== undefined;
    }
    case 'libvirt': {
      const daemon = await findProgram(look, 'libvirtd', 'virtqemud');
      return daemon !== undefined && (await findProgram(look, 'virsh')) !== undefined;
    }
    case 'cuse':
      return states.get('cuse') !== 'missing';
    case 'driverctl':
      return (await findProgram(look, 'driverctl')) !== undefined;
  }
}

/** Looks, and changes nothing. */
export async function planPackages(host: Host, spec: PackageSpec): Promise<PartPlan> {
  const look = new Look(host);
  const modules = await readKernelModules(look);
  const missing: Need[] = [];
  for (const need of new Set(spec.needs)) if (!(await isThere(look, need, modules))) missing.push(need);
  if (missing.length === 0) return { steps: [doneStep(spec.needs)], notes: [] };
  const { distribution } = await readSystem(look);
  const machine = { arch: arch(), kernel: modules.kernel, ubuntu: distribution.family.includes('ubuntu') };
  const manager = await findManager(look);
  const named = manager === undefined ? [] : missing.map((need) => [need, namesOf(manager, need, machine)] as const);
  const byHand = await planByHand(
    host,
    missing,
    named.flatMap(([, names]) => names),
  );
  if (byHand !== undefined) return { steps: [], notes: [byHand] };
  if (manager === undefined) {
    return {
      steps: [],
      notes: [`missing: ${list(missing)}; how ${distribution.title} installs packages is not known`],
    };
  }
  const without = named.filter(([, names]) => names.length === 0).map(([need]) => noPackage(need, machine));
  const found = named.filter(([, names]) => names.length > 0);
  const packages = found.flatMap(([, names]) => names);
  if (packages.length === 0) return { steps: [], notes: without };
  const stay = `undo leaves packages installed, for others may need them by then: ${manager.remove} ${packages.join(' ')}`;
  const step = installStep(
    manager,
    found.map(([need]) => need),
    packages,
  );
  return { steps: [step], notes: [...without, stay] };
}

const list = (needs: readonly Need[]): string => needs.map((need) => TITLES[need]).join(', ');

function namesOf({ program }: PackageManager, need: Need, machine: Machine): readonly string[] {
  return NAMES[program]?.[need](machine) ?? [];
}

async function findManager(look: Look): Promise<PackageManager | undefined> {
  const program = await findProgram(look, ...MANAGERS.map((manager) => manager.program));
  return MANAGERS.find((manager) => manager.program === program);
}

function noPackage(need: Need, { kernel }: Machine): string {
  if (need === 'cuse') return `kernel ${kernel ?? ''} has no module cuse, and no package of this system brings it`;
  return `${TITLES[need]} is missing, and this system has no package of it`;
}

/** What the user does himself where packages are part of a deployment or an image; undefined where they are not. */
async function planByHand(
  host: Host,
  missing: readonly Need[],
  packages: readonly string[],
): Promise<string | undefined> {
  const method = await detectBoot(host);
  const names = packages.join(' ');
  if (method.kind === 'rpm-ostree') {
    return `missing: ${list(missing)}; packages come with the next deployment: rpm-ostree install ${names}`;
  }
  if ((await findProgram(host, 'transactional-update')) !== undefined) {
    return `missing: ${list(missing)}; packages come with the next snapshot: transactional-update pkg install ${names}`;
  }
  if (method.kind !== 'by-hand' || method.style === 'plain') return undefined;
  const snippet = packageSnippet(method.style, missing, packages);
  return snippet === undefined
    ? `missing: ${list(missing)}; nothing can be installed here, another image has to bring it`
    : `missing: ${list(missing)}; this belongs in the system's own configuration:\n${snippet}`;
}

const WHY = 'guests need them, or the steps after this one';

function doneStep(needs: readonly Need[]): Step {
  const all = list(needs) || 'nothing';
  return {
    id: 'packages',
    title: 'packages',
    why: WHY,
    current: all,
    wanted: all,
    diff: '',
    actions: [],
    needsReboot: false,
  };
}

function installStep(manager: PackageManager, missing: readonly Need[], packages: readonly string[]): Step {
  const commands = [...manager.prepare, [...manager.install, ...packages]];
  return {
    id: 'packages',
    title: `install ${packages.join(' ')}`,
    why: WHY,
    current: `missing: ${list(missing)}`,
    wanted: packages.join(' '),
    diff: '',
    actions: commands.map((command): Action => ({ kind: 'run', command })),
    needsReboot: false,
    verify: (host) => stillMissing(host, missing, packages),
  };
}

/** An exit code of 0 is not all: a package may have come without what it was installed for. */
async function stillMissing(
  host: Host,
  missing: readonly Need[],
  packages: readonly string[],
): Promise<string | undefined> {
  const look = new Look(host);
  const modules = await readKernelModules(look);
  for (const need of missing) {
    if (!(await isThere(look, need, modules))) {
      return `${packages.join(' ')} installed, and ${TITLES[need]} is still missing`;
    }
  }
  return undefined;
}
