import { dirname } from 'node:path';
import type { FileStat, Host } from '../../host/host.js';
import { confValue } from '../qemu-conf/value.js';

/** Whether the user that libvirt runs QEMU as can use a socket or a device. */

type Stats = Pick<Host, 'stat'>;
type Texts = Pick<Host, 'readOptional'>;

export interface Identity {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

/** Names that distributions build into libvirt, where qemu.conf says nothing. */
const BUILT_IN = ['libvirt-qemu', 'qemu'];

type Row = readonly string[];

async function table(host: Texts, path: string): Promise<Row[]> {
  return ((await host.readOptional(path)) ?? '').split('\n').map((line) => line.split(':'));
}

/** What `+107` and `107` say. */
function numberIn(name: string | undefined): string | undefined {
  return /^\+?(\d+)$/.exec(name ?? '')?.[1];
}

/** `user` and `+uid` as qemu.conf writes them, found in a table of names. */
function lookUp(rows: readonly Row[], name: string): Row | undefined {
  const number = numberIn(name);
  return (
    rows.find((row) => row[0] === name) ?? (number === undefined ? undefined : rows.find((row) => row[2] === number))
  );
}

/** The user and groups of QEMU: the domain's own label, else qemu.conf, else the distribution's user. */
export async function qemuIdentity(host: Texts, conf: string, label: string | undefined): Promise<Identity> {
  const users = await table(host, '/etc/passwd');
  const groups = await table(host, '/etc/group');
  const [labelUser, labelGroup] = label?.split(':') ?? [];
  const builtIn = BUILT_IN.find((name) => lookUp(users, name) !== undefined) ?? 'root';
  const wanted = labelUser ?? confValue(conf, 'user') ?? builtIn;
  const user = lookUp(users, wanted);
  const name = user?.[0] ?? wanted;
  const group = labelGroup ?? confValue(conf, 'group');
  const named = group === undefined ? undefined : (lookUp(groups, group)?.[2] ?? numberIn(group));
  const member = groups.filter((row) => row[3]?.split(',').includes(name) === true).map((row) => row[2]);
  const gids = [named, user?.[3], ...member].filter((gid) => gid !== undefined).map(Number);
  // A number need not have a name. Of a name that only a directory service knows nothing can be said: nothing is refused.
  return { name, uid: Number(user?.[2] ?? numberIn(wanted) ?? 0), gids: [...new Set(gids)] };
}

function allows(stat: FileStat, who: Identity, bit: number): boolean {
  if (who.uid === 0) return true;
  if (stat.uid === who.uid) return (stat.mode & (bit << 6)) !== 0;
  if (who.gids.includes(stat.gid)) return (stat.mode & (bit << 3)) !== 0;
  return (stat.mode & bit) !== 0;
}

function above(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [...above(parent), parent];
}

const WRITE = 2;
const SEARCH = 1;

/** Why the user cannot read and write what stands there; undefined where it can. */
export async function accessTrouble(host: Stats, path: string, who: Identity): Promise<string | undefined> {
  for (const dir of above(path)) {
    const stat = await host.stat(dir);
    if (stat === undefined) return `${dir} does not exist`;
    if (!allows(stat, who, SEARCH)) return `user ${who.name} may not enter ${dir}`;
  }
  const stat = await host.stat(path);
  if (stat === undefined) return 'it does not exist';
  return allows(stat, who, WRITE) ? undefined : `user ${who.name} may not write to it`;
}

/** Why the socket cannot be used; undefined where it can. */
export async function socketTrouble(host: Stats, path: string, who: Identity): Promise<string | undefined> {
  const stat = await host.stat(path);
  if (stat !== undefined && stat.kind !== 'socket') return 'it is no socket';
  return accessTrouble(host, path, who);
}
