import type { Look } from '../../host/tolerant-reader.js';
import { kernelArgs } from './args.js';

/** The system: which distribution and kernel, what its processor can do, and how much memory is left. */

export interface Distribution {
  /** `debian`, `fedora`, `rhel`, …; empty where the system does not say. */
  readonly id: string;
  /** `id` and what it says it is like. */
  readonly family: readonly string[];
  readonly version: string;
  readonly title: string;
}

export interface NodeMemory {
  readonly node: number;
  readonly total: number;
  readonly free: number;
}

export interface SystemFacts {
  readonly distribution: Distribution;
  /** Release of the running kernel; undefined in an image that does not run. */
  readonly kernel: string | undefined;
  /** What the running kernel was started with, in order. */
  readonly arguments: readonly string[];
  /** Flags of the processor; empty where the architecture has none. */
  readonly cpuFlags: ReadonlySet<string>;
  /** Whose IOMMU the processor has; undefined where it does not say, and on other architectures. */
  readonly cpuVendor: 'intel' | 'amd' | undefined;
  /** Who may look into whose processes (kernel.yama.ptrace_scope); 3: nobody into any. */
  readonly ptraceScope: number;
  readonly memory: { readonly total: number; readonly available: number };
  readonly nodes: readonly NodeMemory[];
}

/** Values of os-release: shell words without expansions. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const fields = text.split('\n').flatMap((line) => {
    const [, name, value] = /^\s*([A-Z_][A-Z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    const bare = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
    return [[name, bare.replace(/\\(.)/g, '$1')] as const];
  });
  return new Map(fields);
}

async function readDistribution(look: Look): Promise<Distribution> {
  const text = (await look.text('/etc/os-release')) || (await look.text('/usr/lib/os-release'));
  const fields = parseOsRelease(text);
  const id = fields.get('ID') ?? '';
  const family = [id, ...(fields.get('ID_LIKE') ?? '').split(/\s+/)].filter((name) => name !== '');
  const version = fields.get('VERSION_ID') ?? '';
  return { id, family, version, title: fields.get('PRETTY_NAME') ?? (`${id} ${version}`.trim() || 'unknown system') };
}

/** `MemFree:  123 kB` of /proc/meminfo, and `Node 0 MemFree:  123 kB` of a node's. */
export function memoryField(text: string, name: string): number {
  return Number(new RegExp(`^(?:Node \\d+ )?${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

const NODES = '/sys/devices/system/node';

async function readNodes(look: Look): Promise<NodeMemory[]> {
  const nodes: NodeMemory[] = [];
  for (const name of await look.list(NODES)) {
    const node = /^node(\d+)$/.exec(name)?.[1];
    const text = await look.text(`${NODES}/${name}/meminfo`);
    if (node === undefined || text === '') continue;
    nodes.push({ node: Number(node), total: memoryField(text, 'MemTotal'), free: memoryField(text, 'MemFree') });
  }
  return nodes.sort((a, b) => a.node - b.node);
}

const VENDORS: Readonly<Record<string, SystemFacts['cpuVendor']>> = {
  GenuineIntel: 'intel',
  AuthenticAMD: 'amd',
  HygonGenuine: 'amd',
};

export async function readSystem(look: Look): Promise<SystemFacts> {
  const meminfo = await look.text('/proc/meminfo');
  const cpu = await look.text('/proc/cpuinfo');
  const flags = /^flags\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? '';
  const vendor = /^vendor_id\s*:\s*(\S+)/m.exec(cpu)?.[1] ?? '';
  return {
    distribution: await readDistribution(look),
    kernel: (await look.text('/proc/sys/kernel/osrelease')) || undefined,
    arguments: kernelArgs(await look.text('/proc/cmdline')).map(({ text }) => text),
    cpuFlags: new Set(flags.split(/\s+/).filter((flag) => flag !== '')),
    cpuVendor: VENDORS[vendor],
    ptraceScope: Number((await look.text('/proc/sys/kernel/yama/ptrace_scope')).trim() || 0),
    memory: { total: memoryField(meminfo, 'MemTotal'), available: memoryField(meminfo, 'MemAvailable') },
    nodes: await readNodes(look),
  };
}
