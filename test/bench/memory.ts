import { readFile } from 'node:fs/promises';
import { withScope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { Testpmd } from '../helpers/guests/testpmd.js';
import type { Place } from './contenders/contender.js';

/** Resident memory of the daemon with guests at all its ports, in MiB, by what it is for. */
export interface MemoryRow {
  readonly ports: number;
  /** DPDK's memory, which holds the packet buffers. */
  readonly buffers: number;
  /** The guests' own memory, as far as the switch has touched it. */
  readonly guests: number;
  /** Programs and libraries; one copy for all processes that run the same. */
  readonly files: number;
  /** What the process alone holds: heaps, stacks. */
  readonly own: number;
  /** The figure to hold against a limit: all but the buffers and the guests' memory. */
  readonly beyondBuffers: number;
}

const ports = 16;

export interface Mapping {
  readonly start: bigint;
  readonly path: string;
  readonly kb: number;
}

/** The mappings of /proc/PID/smaps with what of each is resident; hugepages are not in `Rss`. */
export function parseSmaps(text: string): Mapping[] {
  const mappings: { start: bigint; path: string; kb: number }[] = [];
  for (const line of text.split('\n')) {
    const head = /^([0-9a-f]+)-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)$/.exec(line);
    if (head !== null) mappings.push({ start: BigInt(`0x${head[1] ?? '0'}`), path: head[2] ?? '', kb: 0 });
    const size = /^(?:Rss|Shared_Hugetlb|Private_Hugetlb):\s+(\d+) kB/.exec(line);
    const last = mappings.at(-1);
    if (size !== null && last !== undefined) last.kb += Number(size[1]);
  }
  return mappings;
}

/** DPDK lays out its memory from here on, and the kernel puts nothing of its own choice so low. */
const dpdkFrom = 0x1_0000_0000n;
const dpdkTo = 0x100_0000_0000n;

export function classify(mappings: readonly Mapping[]): MemoryRow {
  const sums = { buffers: 0, guests: 0, files: 0, own: 0 };
  for (const { start, path, kb } of mappings) {
    const mb = kb / 1024;
    if (start >= dpdkFrom && start < dpdkTo) sums.buffers += mb;
    else if (path.endsWith('(deleted)')) sums.guests += mb;
    else if (path.startsWith('/')) sums.files += mb;
    else sums.own += mb;
  }
  return { ports, ...sums, beyondBuffers: sums.files + sums.own };
}

/** A switch as it starts by default, with a guest at each port. */
export function measureMemory({ hugepages }: Pick<Place, 'hugepages'>): Promise<MemoryRow> {
  return withScope(async (scope) => {
    const vswitch = await Switch.start(scope, { args: hugepages ? [] : ['--hugepages', 'off'] });
    const added = [];
    for (let port = 0; port < ports; port++) added.push(await vswitch.addPort(`p${port}`));
    await Testpmd.start(scope, {
      vdevs: added.map(({ socket }, index) => `net_virtio_user${index},path=${socket},queues=1`),
      args: ['--forward-mode=rxonly'],
      memoryMb: 256,
      hugepages,
    });
    await Promise.all(added.map(({ name }) => vswitch.portReady(name)));
    const { pid } = await vswitch.status();
    return classify(parseSmaps(await readFile(`/proc/${pid}/smaps`, 'utf8')));
  });
}
