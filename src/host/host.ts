export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'socket' | 'character' | 'symlink' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** When the file or what is known about it was changed last; libvirt takes it for the age of an emulator. */
  readonly ctimeMs: number;
}

export interface DetachedChild {
  readonly pid: number;
  /** First line that the child writes on descriptor 3, or undefined when it ended without one. */
  readonly firstLine: Promise<string | undefined>;
  /** Lets this process end while the child goes on. */
  release(): void;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Every effect on the system goes through here, so that tests can pass a fake keyed by exact argv
 * and exact path. Nothing else in `src/` imports execa or `node:fs`, but for `sync-host.ts`.
 */
export interface Host {
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  spawnDetached(command: string, args: readonly string[], logPath: string): Promise<DetachedChild>;
  read(path: string): Promise<string>;
  /** undefined where there is no such file; any other failure is thrown. */
  readOptional(path: string): Promise<string | undefined>;
  /** Bytes of a file, all of them or those of `range`, fewer where it ends before; undefined where there is no such file. */
  readBytes(path: string, range?: ByteRange): Promise<Buffer | undefined>;
  /** Replaces the file as a whole (temporary file, fsync, rename); mode applies to a new file. */
  write(path: string, text: string, mode?: number): Promise<void>;
  /** Writes into a file that is there, by one call of the kernel: for files of sysfs and /proc. */
  writeInPlace(path: string, text: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Like `stat`, but tells of a symbolic link itself: for whoever must not be led elsewhere. */
  lstat(path: string): Promise<FileStat | undefined>;
  mkdir(path: string, mode: number): Promise<void>;
  /** Both of what has this name itself: a symbolic link is refused (ELOOP), whenever it came there. */
  chown(path: string, uid: number, gid: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** Which file has this name, whatever it is; undefined where none has. Stands as long as the file is open somewhere. */
  identity(path: string): Promise<string | undefined>;
  /** What has the new name goes. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Whether the directory is gone now; one that is not empty stays. */
  rmdir(path: string): Promise<boolean>;
  realpath(path: string): Promise<string | undefined>;
  /** What a symbolic link says, as it stands there; undefined where there is no symbolic link. */
  readLink(path: string): Promise<string | undefined>;
  uid(): number;
  env(name: string): string | undefined;
  now(): number;
}
