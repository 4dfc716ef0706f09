import { KIB } from '../../../common/bytes.js';

/** Who sets numbers of hugepages while a system starts, and what comes of it: each write leaves its number, the last wins. */

export interface StartWrite {
  /** Bytes. */
  readonly pageSize: number;
  /** Of one NUMA node; undefined: of the host as a whole. */
  readonly node: number | undefined;
  readonly pages: number;
  /** Who says so, for people: a file with the number of its line. */
  readonly by: string;
}

/** What is there after a start. */
export interface AtStart {
  readonly pages: number;
  /** The last one that had a say in it; undefined where nobody asks for any. */
  readonly by: string | undefined;
}

export interface PoolFile {
  readonly pageSize: number;
  readonly node: number | undefined;
}

/** Files of the kernel that set a pool. `defaultSize`, in bytes, is what those of /proc/sys/vm mean. */
export function poolFileOf(path: string, defaultSize: number): PoolFile | undefined {
  if (/^\/proc\/sys\/vm\/nr_hugepages(_mempolicy)?$/.test(path)) return { pageSize: defaultSize, node: undefined };
  const [, node, kib] =
    /^\/sys\/(?:kernel\/mm|devices\/system\/node\/node(\d+))\/hugepages\/hugepages-(\d+)kB\/nr_hugepages(?:_mempolicy)?$/.exec(
      path,
    ) ?? [];
  if (kib === undefined) return undefined;
  return { pageSize: Number(kib) * KIB, node: node === undefined ? undefined : Number(node) };
}

/** `nodeCount`: over how many nodes the kernel spreads what is asked of the host as a whole. */
export function resultAtStart(writes: readonly StartWrite[], { pageSize, node }: PoolFile, nodeCount: number): AtStart {
  const nobody: AtStart = { pages: 0, by: undefined };
  let [evenly, total] = [nobody, nobody];
  let nodes = new Map<number, AtStart>();
  const onNode = (each: number): AtStart =>
    nodes.get(each) ?? { pages: Math.floor(evenly.pages / nodeCount), by: evenly.by };
  for (const write of writes.filter((one) => one.pageSize === pageSize)) {
    const said = { pages: write.pages, by: write.by };
    if (write.node === undefined) {
      [evenly, total, nodes] = [said, said, new Map<number, AtStart>()];
    } else {
      total = { pages: Math.max(0, total.pages - onNode(write.node).pages) + write.pages, by: write.by };
      nodes.set(write.node, said);
    }
  }
  return node === undefined ? total : onNode(node);
}
