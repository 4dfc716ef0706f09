import { groupOf } from './cmdline/argv.js';
import type { Command } from './cmdline/command.js';
import { driverOfModel } from './drivers.js';
import type { Bus } from './drivers.js';
import { GIB, MIB } from '../common/bytes.js';

/**
 * What QEMU gives a guest that does not say, by machine type. Each size is what `query-memory-size-summary` answers for
 * such a machine of QEMU 7.2, and a machine that is not here is asked for `-m`.
 */

export interface Machine {
  /** As QEMU calls it: `x86_64`, `s390x`, … */
  readonly architecture: string;
  /** As the call or QEMU's default says; undefined where neither does. */
  readonly type: string | undefined;
}

interface Family {
  readonly architectures: readonly string[];
  readonly type: RegExp;
  /** Memory without `-m`. */
  readonly bytes: number;
  /** What `-nic` and `-net nic` put virtio cards on; undefined where they make no card. */
  readonly bus?: Bus;
  /** A card without `model=` is one of virtio's. */
  readonly virtioByItself?: boolean;
}

const X86 = ['x86_64', 'i386'];
const ARM = ['aarch64', 'arm'];
const MIPS = ['mips', 'mipsel', 'mips64', 'mips64el'];

/** Versions and vendors' names follow the family's: `pc-i440fx-7.2`, `virt-rhel9.4.0`, `pc-q35-noble`. */
const FAMILIES: readonly Family[] = [
  { architectures: X86, type: /^(pc|q35)(-|$)/, bytes: 128 * MIB, bus: 'pci' },
  { architectures: X86, type: /^(microvm|isapc)$/, bytes: 128 * MIB },
  { architectures: ARM, type: /^virt(-|$)/, bytes: 128 * MIB, bus: 'pci', virtioByItself: true },
  { architectures: ['aarch64'], type: /^sbsa-ref$/, bytes: GIB, bus: 'pci' },
  { architectures: ['s390x'], type: /^s390-ccw-virtio(-|$)/, bytes: 128 * MIB, bus: 'ccw', virtioByItself: true },
  { architectures: ['ppc64'], type: /^pseries(-|$)/, bytes: 512 * MIB, bus: 'pci' },
  { architectures: ['riscv64', 'riscv32'], type: /^virt$/, bytes: 128 * MIB },
  { architectures: ['loongarch64'], type: /^virt$/, bytes: GIB, bus: 'pci', virtioByItself: true },
  { architectures: ['sparc64'], type: /^sun4u$/, bytes: 128 * MIB, bus: 'pci' },
  { architectures: MIPS, type: /^malta$/, bytes: 128 * MIB, bus: 'pci' },
  { architectures: ['m68k'], type: /^virt(-|$)/, bytes: 128 * MIB },
];

const DEFAULT_TYPES = new Map([
  ...X86.map((name) => [name, 'pc'] as const),
  ...MIPS.map((name) => [name, 'malta'] as const),
  ['s390x', 's390-ccw-virtio'],
  ['ppc64', 'pseries'],
  ['loongarch64', 'virt'],
  ['sparc64', 'sun4u'],
]);

/** Node's names (`process.arch`) where QEMU's differ. */
const PROCESSORS = new Map([
  ['x64', 'x86_64'],
  ['ia32', 'i386'],
  ['arm64', 'aarch64'],
  ['loong64', 'loongarch64'],
]);

/** Debian's packages have further names for some programs. */
const PROGRAMS = new Map([
  ['amd64', 'x86_64'],
  ['ppc64le', 'ppc64'],
]);

/** What the program is called, else what this host is: `kvm`, `qemu-kvm`, and whatever somebody has built. */
function architectureOf(emulator: string, processor: string): string {
  const named = /(?:^|\/)qemu-system-([a-z0-9_]+)[^/]*$/.exec(emulator)?.[1];
  return named === undefined ? (PROCESSORS.get(processor) ?? processor) : (PROGRAMS.get(named) ?? named);
}

/** `processor`: of this host, as Node calls it. */
export function machineOf(command: Command, emulator: string, processor: string): Machine {
  const types = command.options('machine').map((item) => groupOf(item).get('type'));
  const said = types.findLast((type) => type !== undefined && type !== '');
  const architecture = architectureOf(emulator, processor);
  const byName = emulator.endsWith('-microvm') ? 'microvm' : DEFAULT_TYPES.get(architecture);
  return { architecture, type: said ?? byName };
}

function familyOf({ architecture, type }: Machine): Family | undefined {
  return FAMILIES.find((family) => family.architectures.includes(architecture) && family.type.test(type ?? ''));
}

/** Memory in bytes of a guest that does not say how much it has; undefined where that is not known. */
export function defaultMemory(machine: Machine): number | undefined {
  return familyOf(machine)?.bytes;
}

/** The `-device` for a card that the machine makes itself; undefined where that is none of virtio's. */
export function boardDriver(machine: Machine, model: string | undefined): string | undefined {
  const family = familyOf(machine);
  if (family?.bus === undefined) return undefined;
  if (model === undefined && family.virtioByItself !== true) return undefined;
  return driverOfModel(model ?? 'virtio', family.bus);
}
