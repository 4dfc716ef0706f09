import { VhostHostError } from '../../common/errors.js';
import { mountedAt } from '../../changes/mount.js';
import { pageSizeOption } from '../../host/kernel/mount-table.js';
import { sizeText } from '../../common/bytes.js';
import { rights } from '../../changes/steps.js';
import type { Action, MountAction } from '../../changes/steps.js';
import { changeableAround } from '../../host/trusted-place.js';
import { fitRights, optionsOf } from './options.js';
import type { MountSpec } from './spec.js';
import type { FileStat, Host } from '../../host/host.js';

/** A mount in the running system: what has to be done for it to be there, with the right pages and rights. */

export interface Mounting {
  /** What is there now, for people. */
  readonly current: string;
  readonly actions: readonly Action[];
}

function refuse(path: string, reason: string): never {
  throw new VhostHostError('SETUP_REFUSED', `${path} ${reason}`, { hint: `findmnt ${path}`, details: { path } });
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** The kernel takes rights of a hugetlbfs only when it is mounted; later its top directory has them. */
function changeRights(spec: MountSpec, stat: FileStat): Action[] {
  const { owner = stat.uid, gid = stat.gid, mode = stat.mode, path } = spec;
  const actions: Action[] = [];
  if (owner !== stat.uid || gid !== stat.gid) {
    const undo = ['chown', `${stat.uid}:${stat.gid}`, path];
    actions.push({ kind: 'run', command: ['chown', `${owner}:${gid}`, path], undo });
  }
  if (mode !== stat.mode) {
    actions.push({ kind: 'run', command: ['chmod', octal(mode), path], undo: ['chmod', octal(stat.mode), path] });
  }
  return actions;
}

function mountAction(spec: MountSpec): MountAction {
  return { kind: 'mount', path: spec.path, type: 'hugetlbfs', options: optionsOf(spec) };
}

export async function mountNow(host: Host, spec: MountSpec, defaultSize: number): Promise<Mounting> {
  const { path } = spec;
  const doubt = host.uid() === 0 ? await changeableAround(host, path) : undefined;
  if (doubt !== undefined) refuse(path, `is no place for a mount: ${doubt.path} ${doubt.reason}`);
  const there = await mountedAt(host, path);
  const stat = await host.stat(path);
  if (there !== undefined && stat !== undefined) {
    if (there.type !== 'hugetlbfs') refuse(path, `is a mount of ${there.type} already`);
    const size = pageSizeOption(there.options) ?? defaultSize;
    const current = `${sizeText(size)}, ${rights(stat)}`;
    if (size !== spec.pageSize) return { current, actions: [{ ...mountAction(spec), replaces: there.options }] };
    return { current, actions: fitRights(spec, stat) ? [] : changeRights(spec, stat) };
  }
  if (stat !== undefined && stat.kind !== 'directory') refuse(path, `is a ${stat.kind}, not a directory`);
  if ((await host.list(path)).length > 0) refuse(path, 'is a directory with something in it, which a mount would hide');
  return { current: 'not mounted', actions: [{ kind: 'directory', path }, mountAction(spec)] };
}

/** What is wrong with it afterwards. */
export async function checkMount(host: Host, spec: MountSpec, defaultSize: number): Promise<string | undefined> {
  const { path, pageSize } = spec;
  const there = await mountedAt(host, path);
  const stat = await host.stat(path);
  if (there?.type !== 'hugetlbfs' || stat === undefined) return `${path} is not a mounted hugetlbfs`;
  const size = pageSizeOption(there.options) ?? defaultSize;
  if (size !== pageSize) return `${path} is mounted with pages of ${sizeText(size)}, wanted was ${sizeText(pageSize)}`;
  if (fitRights(spec, stat)) return undefined;
  return `${path} has mode ${octal(stat.mode)} and owner ${stat.uid}:${stat.gid}, wanted was ${optionsOf(spec)}`;
}
