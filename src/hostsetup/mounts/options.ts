import { pageSizeOption } from '../../host/kernel/mount-table.js';
import { kernelSize, shortSize, sizeText } from '../../common/bytes.js';
import type { Look } from '../../host/tolerant-reader.js';
import type { MountSpec } from './spec.js';

/** Options of a hugetlbfs, as mount(8), an fstab and a mount unit write them. */

export interface Rights {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

function valueOf(options: string, name: string): string | undefined {
  return options
    .split(',')
    .findLast((option) => option.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

/** Numbers of users and groups; mount(8) takes their names for any file system. */
export interface Ids {
  readonly users: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
}

export async function readIds(look: Look): Promise<Ids> {
  const read = async (path: string): Promise<ReadonlyMap<string, number>> => {
    const fields = (await look.lines(path)).map((line) => line.split(':'));
    return new Map(fields.map(([name = '', , id]) => [name, Number(id)]));
  };
  return { users: await read('/etc/passwd'), groups: await read('/etc/group') };
}

/** Not a number for a name that nobody has: such a mount fails. */
function idOf(value: string | undefined, names: ReadonlyMap<string, number>): number {
  if (value === undefined) return 0;
  return /^\d+$/.test(value) ? Number(value) : (names.get(value) ?? NaN);
}

/** What the kernel makes of options that say nothing about it; of the mode it takes no more than these bits. */
export function rightsIn(options: string, { users, groups }: Ids): Rights {
  return {
    uid: idOf(valueOf(options, 'uid'), users),
    gid: idOf(valueOf(options, 'gid'), groups),
    mode: parseInt(valueOf(options, 'mode') ?? '755', 8) & 0o1777,
  };
}

/** Whether nothing that the spec names is otherwise. */
export function fitRights({ owner, gid, mode }: MountSpec, there: Rights): boolean {
  return (
    (owner === undefined || owner === there.uid) &&
    (gid === undefined || gid === there.gid) &&
    (mode === undefined || mode === there.mode)
  );
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** In the place where it stands, else at the end; of several the last one counts, and the others go. */
function setOption(options: readonly string[], name: string, value: string): string[] {
  const last = options.findLastIndex((option) => option.startsWith(`${name}=`));
  if (last < 0) return [...options, `${name}=${value}`];
  return options.flatMap((option, i) => {
    if (!option.startsWith(`${name}=`)) return [option];
    return i === last ? [`${name}=${value}`] : [];
  });
}

/** Of an option and its opposite the one that is said last counts. */
const lastOf = (options: string, names: readonly string[]): string | undefined =>
  options.split(',').findLast((option) => names.includes(option));

export const isReadOnly = (options: string): boolean => lastOf(options, ['ro', 'rw']) === 'ro';

/** Nobody mounts it at a start, or only once somebody looks there, which libvirt does by /proc/mounts alone. */
const LATE = /^(noauto|x-systemd\.automount|comment=systemd\.automount)$/;

/** Whether a line of fstab with these options is mounted at each start. */
export function isMountedAtStart(options: string): boolean {
  const list = options.split(',');
  if (list.some((option) => /^(x-systemd|comment=systemd)\.automount$/.test(option))) return false;
  const wanted = list.some((option) => /^x-systemd\.(wanted|required)-by=./.test(option));
  return wanted || lastOf(options, ['auto', 'noauto']) !== 'noauto';
}

/** Files of a guest's memory and of libvirt's directories above them: with fewer, the first guests do not start. */
const LEAST_INODES = 64;

/** Options that keep what the spec has from fitting in. A percentage is one of the pool, which is as large as the spec. */
export function limitsTooSmall(options: string, { bytes }: MountSpec): string[] {
  const inodes = valueOf(options, 'nr_inodes');
  const few = inodes !== undefined && (kernelSize(inodes) ?? 0) < LEAST_INODES ? [`nr_inodes=${inodes}`] : [];
  const size = valueOf(options, 'size');
  if (size === undefined || bytes === undefined) return few;
  const [, percent] = /^(\d+)%/.exec(size) ?? [];
  const small = percent === undefined ? (kernelSize(size) ?? 0) < bytes : Number(percent) < 100;
  return small ? [`size=${size}`, ...few] : few;
}

function raiseLimits(list: readonly string[], spec: MountSpec): string[] {
  let now = [...list];
  for (const limit of limitsTooSmall(list.join(','), spec)) {
    if (limit.startsWith('nr_inodes=')) now = setOption(now, 'nr_inodes', String(LEAST_INODES));
    else now = setOption(now, 'size', limit.endsWith('%') ? '100%' : shortSize(spec.bytes ?? 0));
  }
  return now;
}

/**
 * `options` with what the spec names, mounted at each start and with room for it; the others stay, in their order. What
 * means the same stays as written.
 */
export function setOptions(options: string, spec: MountSpec, defaultSize: number | undefined, ids: Ids): string {
  const rights = rightsIn(options, ids);
  let list = options.split(',').filter((option) => option !== '');
  if (!isMountedAtStart(options)) list = list.filter((option) => !LATE.test(option));
  if ((pageSizeOption(options) ?? defaultSize) !== spec.pageSize) {
    list = setOption(list, 'pagesize', shortSize(spec.pageSize));
  }
  if (spec.owner !== undefined && spec.owner !== rights.uid) list = setOption(list, 'uid', String(spec.owner));
  if (spec.gid !== undefined && spec.gid !== rights.gid) list = setOption(list, 'gid', String(spec.gid));
  if (spec.mode !== undefined && spec.mode !== rights.mode) list = setOption(list, 'mode', octal(spec.mode));
  return raiseLimits(list, spec).join(',');
}

const NOBODY: Ids = { users: new Map(), groups: new Map() };

/** All that is requested, said in full, so that no default can change it. */
export function optionsOf(spec: MountSpec): string {
  return setOptions('', spec, undefined, NOBODY);
}

export interface Misfit {
  readonly options: string;
  /** Bytes. */
  readonly pageSize: number;
}

/** What makes a mount another one than the spec has, beyond what can be widened without anybody noticing. */
export function misfit({ options, pageSize }: Misfit, spec: MountSpec, ids: Ids): string | undefined {
  if (pageSize !== spec.pageSize) return `has pages of ${sizeText(pageSize)}`;
  if (isReadOnly(options)) return 'is read-only';
  if (fitRights(spec, rightsIn(options, ids))) return undefined;
  const said = options.split(',').filter((option) => /^(uid|gid|mode)=/.test(option));
  return `has rights of its own (${said.join(',') || "root's alone"})`;
}
