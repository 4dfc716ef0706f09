/** Pages of one size wanted: on one NUMA node, or on the host as a whole. */
export interface PoolSpec {
  /** Bytes. */
  readonly pageSize: number;
  /** Pages that shall be there altogether, used ones included. */
  readonly count: number;
  readonly node?: number;
}

export interface PoolsSpec {
  readonly pools: readonly PoolSpec[];
  /** Memory that stays free, in bytes. */
  readonly floorBytes?: number;
  /** Change the running kernel. */
  readonly now: boolean;
  /**
   * And again at each start of the system. Not for pools that new kernel arguments are going to reserve: only those
   * of the running kernel can be seen here.
   */
  readonly persist: boolean;
  /** The kernel's command line at the next start; else that of the running one counts. */
  readonly line?: string;
  /** Fewer than somebody has reserved for each start, where fewer are wanted; else the larger number stays. */
  readonly shrink?: boolean;
}
