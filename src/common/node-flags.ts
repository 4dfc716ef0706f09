/**
 * With which flags Node runs our programs, by its version: the one table for the launcher (which reads what
 * `launcherTable()` makes of it, `build/bundle/cli/node.table`), the daemon and the build.
 *
 * Node does not start with a flag that it does not know. Flags of V8 may go with any major version, so beyond the
 * versions that were tried (UNTRIED) only those are used that Node's own documentation promises (node.1).
 */

/** Who runs on Node: the command line with the daemon, or qemu-wrap's planner. */
export type Program = 'command' | 'planner';
export const PROGRAMS: readonly Program[] = ['command', 'planner'];

/** `engines` in package.json says the same; these words are also in native/launch. */
const NEEDED = 'vhost-host runs on Node 20.19 or a newer 20, and on 22 and newer';
const HINT = 'install Node 22 or 24 (https://nodejs.org/en/download), and have it first in PATH';

type Version = readonly [number, number, number];

interface Range {
  readonly from?: Version;
  /** The first that is outside. */
  readonly until?: Version;
}

const SUPPORTED: readonly Range[] = [{ from: [20, 19, 0], until: [21, 0, 0] }, { from: [22, 0, 0] }];
/** The first that none of this was tried with. */
const UNTRIED: Version = [27, 0, 0];

interface Flag {
  readonly flag: string;
  readonly programs: readonly Program[];
  /** Nodes that take it; without: all. */
  readonly on?: readonly Range[];
}

const FLAGS: readonly Flag[] = [
  // No memory is both writable and executable (systemd's MemoryDenyWriteExecute=, SELinux's execmem for QEMU's
  // processes), and a program as short as the planner is done sooner.
  { flag: '--jitless', programs: ['command', 'planner'] },
  // WebAssembly goes with the compilers; up to Node 23 V8 complains on stderr unless told so, from 24 on there is no
  // such flag any more.
  { flag: '--no-expose-wasm', programs: ['command', 'planner'], on: [{ until: [24, 0, 0] }] },
  // A fifth less memory for a control plane that is in no hurry.
  { flag: '--lite-mode', programs: ['command'], on: [{ until: UNTRIED }] },
  // No debugger on SIGUSR1, from the first moment on.
  {
    flag: '--disable-sigusr1',
    programs: ['command'],
    on: [{ from: [22, 14, 0], until: [23, 0, 0] }, { from: [23, 7, 0] }],
  },
  // Strings keep the hashes that they have in Node's own image: to hash them all anew, against whoever makes keys that
  // collide, takes longer than the planning, and a guest that is slow to start harms nobody but who wrote its arguments.
  { flag: '--no-rehash-snapshot', programs: ['planner'], on: [{ until: UNTRIED }] },
  // Code that was compiled ahead is taken only where it is whole; without, V8 runs whatever the file holds.
  { flag: '--verify-snapshot-checksum', programs: ['planner'], on: [{ until: UNTRIED }] },
  { flag: '--v8-pool-size=1', programs: ['planner'] },
  { flag: '--preserve-symlinks-main', programs: ['planner'] },
];

/** Without this flag no code that was compiled ahead is used (cli/wrap/code-cache.ts). */
export const CHECKS_CODE = '--verify-snapshot-checksum';

/** `v20.19.0` or `20.19.0`; what follows (`-nightly…`) does not count. */
function parseVersion(text: string): Version | undefined {
  const [, major, minor, patch] = /^v?(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function isWithin(ranges: readonly Range[], version: Version): boolean {
  return ranges.some(
    ({ from, until }) =>
      (from === undefined || compare(version, from) >= 0) && (until === undefined || compare(version, until) < 0),
  );
}

/** undefined: the program does not run on this Node. One that is not understood counts as newer than all. */
export function nodeFlags(program: Program, version: string): string[] | undefined {
  const parsed = parseVersion(version) ?? UNTRIED;
  if (!isWithin(SUPPORTED, parsed)) return undefined;
  return FLAGS.filter(
    ({ programs, on }) => programs.includes(program) && (on === undefined || isWithin(on, parsed)),
  ).map(({ flag }) => flag);
}

/** What is said where this Node is not supported, with the way on in a line of its own; undefined: it is. */
export function refusal(version: string, path: string): string | undefined {
  if (nodeFlags('command', version) !== undefined) return undefined;
  return `Node ${version} (${path}) is not supported: ${NEEDED}\n  ${HINT}`;
}

/** Every version at which something changes, ascending. */
export function turningPoints(): string[] {
  const ranges = [...SUPPORTED, ...FLAGS.flatMap(({ on = [] }) => on)];
  const points: Version[] = [
    [0, 0, 0],
    ...ranges.flatMap(({ from, until }) => [from, until]).filter((v) => v !== undefined),
  ];
  return [...new Set(points.sort(compare).map((version) => version.join('.')))];
}

/**
 * For native/launch/node.c: lines of words, `PROGRAM VERSION FLAG…`, ascending; the last line of a program whose
 * version is not above Node's counts. Instead of flags `-` stands where the program does not run.
 */
export function launcherTable(): string {
  const lines = PROGRAMS.flatMap((program) =>
    turningPoints().map((version) => [program, version, ...(nodeFlags(program, version) ?? ['-'])].join(' ')),
  );
  return lines.map((line) => `${line}\n`).join('');
}
