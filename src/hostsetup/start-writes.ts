import { KIB } from '../sizes.js';

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

interface State {
  total: AtStart;
  readonly nodes: Map<number, AtStart>;
}

/** `nodeCount`: over how many nodes the kernel spreads what is asked of the host as a whole. */
export function resultAtStart(writes: readonly StartWrite[], { pageSize, node }: PoolFile, nodeCount: number): AtStart {
  const state: State = { total: { pages: 0, by: undefined }, nodes: new Map() };
  const share = (): AtStart => ({ pages: Math.floor(state.total.pages / nodeCount), by: state.total.by });
  for (const write of writes.filter((one) => one.pageSize === pageSize)) {
    const said = { pages: write.pages, by: write.by };
    if (write.node === undefined) {
      state.nodes.clear();
      state.total = said;
    } else {
      const before = (state.nodes.get(write.node) ?? share()).pages;
      state.nodes.set(write.node, said);
      state.total = { pages: Math.max(0, state.total.pages - before) + write.pages, by: write.by };
    }
  }
  return node === undefined ? state.total : (state.nodes.get(node) ?? share());
}
