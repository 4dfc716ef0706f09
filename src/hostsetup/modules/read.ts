import type { Look } from '../../host/tolerant-reader.js';

/** Kernel modules that a switch may want, and the IOMMU. */

export const MODULES = ['vfio-pci', 'cuse', 'tun'] as const;
export type ModuleName = (typeof MODULES)[number];

/** `available` is a `modprobe` away; `unknown`: the kernel's list of modules is not there to ask. */
export type ModuleState = 'loaded' | 'built-in' | 'available' | 'missing' | 'unknown';

/** A device that is there only with the module. */
const DEVICES: Readonly<Record<ModuleName, string>> = {
  'vfio-pci': '/sys/bus/pci/drivers/vfio-pci',
  cuse: '/sys/class/misc/cuse',
  tun: '/sys/class/misc/tun',
};

/** The kernel takes `-` and `_` for the same in names of modules. */
const canonical = (name: string): string => name.replaceAll('-', '_');

function names(lines: readonly string[]): Set<string> {
  return new Set(lines.map((line) => canonical(/([^/:]+)\.ko(?:\.\w+)?(?::|$)/.exec(line)?.[1] ?? '')));
}

export async function readModules(
  look: Look,
  kernel: string | undefined,
): Promise<ReadonlyMap<ModuleName, ModuleState>> {
  const loaded = new Set((await look.lines('/proc/modules')).map((line) => line.split(' ')[0]));
  const directory = `/lib/modules/${kernel ?? ''}`;
  const builtIn = names(await look.lines(`${directory}/modules.builtin`));
  const dependencies = await look.lines(`${directory}/modules.dep`);
  const available = names(dependencies);
  const stateOf = async (name: ModuleName): Promise<ModuleState> => {
    if (loaded.has(canonical(name))) return 'loaded';
    if (builtIn.has(canonical(name)) || (await look.stat(DEVICES[name])) !== undefined) return 'built-in';
    if (available.has(canonical(name))) return 'available';
    return dependencies.length === 0 && builtIn.size === 0 ? 'unknown' : 'missing';
  };
  return new Map(await Promise.all(MODULES.map(async (name) => [name, await stateOf(name)] as const)));
}

export interface IommuFacts {
  /** Groups that devices can be handed out in; none where there is no IOMMU, or it is off. */
  readonly groups: number;
  /** The firmware tells of one: the tables of Intel and AMD. */
  readonly inFirmware: boolean;
}

export async function readIommu(look: Look): Promise<IommuFacts> {
  const tables = await Promise.all(['DMAR', 'IVRS'].map((name) => look.stat(`/sys/firmware/acpi/tables/${name}`)));
  return {
    groups: (await look.list('/sys/kernel/iommu_groups')).length,
    inFirmware: tables.some((table) => table !== undefined),
  };
}
