import { pageSizeOption } from '../mounts.js';
import { shortSize } from '../sizes.js';
import type { MountWish } from './mounts-plan.js';

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

/** What the kernel makes of options that say nothing about it. */
export function rightsIn(options: string): Rights {
  return {
    uid: Number(valueOf(options, 'uid') ?? 0),
    gid: Number(valueOf(options, 'gid') ?? 0),
    mode: parseInt(valueOf(options, 'mode') ?? '755', 8),
  };
}

/** Whether nothing that the wish names is otherwise. */
export function fitRights({ owner, gid, mode }: MountWish, there: Rights): boolean {
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

/** `options` with what the wish names; the others stay, in their order. What means the same stays as written. */
export function setOptions(options: string, wish: MountWish, defaultSize: number | undefined): string {
  const rights = rightsIn(options);
  let list = options.split(',').filter((option) => option !== '');
  if ((pageSizeOption(options) ?? defaultSize) !== wish.pageSize) {
    list = setOption(list, 'pagesize', shortSize(wish.pageSize));
  }
  if (wish.owner !== undefined && wish.owner !== rights.uid) list = setOption(list, 'uid', String(wish.owner));
  if (wish.gid !== undefined && wish.gid !== rights.gid) list = setOption(list, 'gid', String(wish.gid));
  if (wish.mode !== undefined && wish.mode !== rights.mode) list = setOption(list, 'mode', octal(wish.mode));
  return list.join(',');
}

/** All that is wished for, said in full, so that no default can change it. */
export function optionsOf(wish: MountWish): string {
  return setOptions('', wish, undefined);
}
