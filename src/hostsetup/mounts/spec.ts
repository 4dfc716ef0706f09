export interface MountSpec {
  readonly path: string;
  /** Bytes. */
  readonly pageSize: number;
  /** What shall have room in it; where it is not named, no limit is too small. */
  readonly bytes?: number;
  /** User id; left as it is where it is not named, which for a new mount means root. */
  readonly owner?: number;
  readonly gid?: number;
  /** Permission bits of the mount's top directory. */
  readonly mode?: number;
  /** The running kernel was not told of such pages, so that there can be no mount before the next one is. */
  readonly atStart?: boolean;
}

export interface MountsSpec {
  readonly mounts: readonly MountSpec[];
  /** Mount in the running system. */
  readonly now: boolean;
  /** The kernel's command line at the next start, which may change the default size of pages. */
  readonly line?: string;
}
