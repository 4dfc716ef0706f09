import { planWrites } from '../../changes/steps.js';
import type { Action, Step } from '../../changes/steps.js';
import { Look } from '../../host/tolerant-reader.js';
import { readKernelModules } from './state.js';
import type { KernelModules } from './state.js';
import type { ModuleName, ModuleState } from './read.js';
import type { PartPlan } from '../../changes/part-plan.js';
import type { Host } from '../../host/host.js';
import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

/** Read by systemd-modules-load at each boot. */
export const MODULES_LOAD = '/etc/modules-load.d/vhost-host.conf';

export interface ModulesSpec {
  readonly modules: readonly ModuleName[];
  /** Whether this system runs and shall have them at once. */
  readonly now: boolean;
  /** Modules that a package of the same plan is going to bring. */
  readonly coming?: readonly ModuleName[];
}

const WHY: Readonly<Record<ModuleName, string>> = {
  'vfio-pci': 'hands a network card to the switch',
  cuse: 'carries the devices /dev/usvhost-N',
  tun: 'lets guests have a tap device',
};

/** Looks, and changes nothing. */
export async function planModules(host: Host, spec: ModulesSpec): Promise<PartPlan> {
  const look = new Look(host);
  const read = await readKernelModules(look);
  const stateOf = (name: ModuleName): ModuleState => {
    const state = read.states.get(name) ?? 'unknown';
    return state === 'missing' && spec.coming?.includes(name) === true ? 'available' : state;
  };
  const wanted = [...new Set(spec.modules)];
  const notes = wanted.flatMap((name) => noteOf(name, stateOf(name), read) ?? []);
  const loadable = wanted.filter((name) => ['loaded', 'available'].includes(stateOf(name)));
  const toLoad = spec.now ? loadable.filter((name) => stateOf(name) === 'available') : [];
  const text = WRITTEN_BY_SETUP + loadable.map((name) => `${name}\n`).join('');
  const { actions, diff } =
    loadable.length === 0 && (await host.stat(MODULES_LOAD)) === undefined
      ? { actions: [], diff: '' }
      : await planWrites(host, [{ kind: 'write', path: MODULES_LOAD, text }]);
  if (wanted.length === 0 && actions.length === 0) return { steps: [], notes };
  const load: Action[] = toLoad.length === 0 ? [] : [{ kind: 'run', command: ['modprobe', '-a', ...toLoad] }];
  if (load.length > 0) notes.push('undo leaves modules loaded until the next boot, for somebody may use them by then');
  return { steps: [stepOf(wanted, stateOf, [...actions, ...load], diff, toLoad)], notes };
}

function stepOf(
  wanted: readonly ModuleName[],
  stateOf: (name: ModuleName) => ModuleState,
  actions: readonly Action[],
  diff: string,
  toLoad: readonly ModuleName[],
): Step {
  return {
    id: 'modules',
    title: 'kernel modules',
    why: wanted.map((name) => `${name} ${WHY[name]}`).join(', '),
    current: wanted.map((name) => `${name} ${stateOf(name)}`).join(', '),
    wanted: wanted.map((name) => `${name} ${wordFor(stateOf(name))}`).join(', '),
    diff,
    actions,
    needsReboot: false,
    verify: (host) => notLoaded(host, toLoad),
  };
}

const wordFor = (state: ModuleState): string => (state === 'loaded' || state === 'available' ? 'at each boot' : state);

function noteOf(name: ModuleName, state: ModuleState, { kernel }: KernelModules): string | undefined {
  const which = kernel === undefined ? 'the kernel' : `kernel ${kernel}`;
  switch (state) {
    case 'built-in':
      return `${name} is built into ${which}: nothing to load`;
    case 'missing':
      return `${which} has no module ${name}, which ${WHY[name]}: nothing to load`;
    case 'unknown':
      return `whether ${which} has the module ${name} is not known: there is no list in /lib/modules/${kernel ?? ''}`;
    case 'loaded':
    case 'available':
      return undefined;
  }
}

async function notLoaded(host: Host, names: readonly ModuleName[]): Promise<string | undefined> {
  const { states } = await readKernelModules(new Look(host));
  const not = names.filter((name) => states.get(name) !== 'loaded');
  return not.length === 0 ? undefined : `${not.join(', ')} still not loaded after modprobe: dmesg | tail`;
}
