import { basename } from 'node:path';
import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import { shortSize } from '../sizes.js';
import { followedBy, planWrites, readSnapshot } from '../steps.js';
import type { Action, WriteFile } from '../steps.js';
import type { Look } from './facts-look.js';
import { FSTAB, editFstab, hasLineFor } from './fstab.js';
import { fitRights, optionsOf, rightsIn, setOptions } from './mount-options.js';
import { findUnit, unitPageSize } from './mount-units.js';
import type { MountUnit } from './mount-units.js';
import type { MountWish } from './mounts-plan.js';
import { mountUnitName } from './systemd.js';
import type { Systemd } from './systemd.js';

/**
 * A mount at each start. Where /etc/fstab has a line for the path, that line is right or made right; else systemd gets
 * a unit, or its unit that is there already a drop-in; without systemd the fstab gets a line.
 */

export interface Keeping {
  /** Where it is said, for people. */
  readonly where: string;
  readonly actions: readonly Action[];
  readonly diff: string;
}

const UNITS = '/etc/systemd/system';
const DROP_IN = 'vhost-host.conf';
const MARK = '# Written by vhost-host; what is changed in here is changed back by the next set-up.\n';

export async function keep(
  host: Host,
  look: Look,
  wish: MountWish,
  { present, running }: Systemd,
  defaultSize: number,
): Promise<Keeping> {
  const fstab = (await readSnapshot(host, FSTAB))?.text ?? '';
  const name = mountUnitName(wish.path);
  const unit = present ? await findUnit(look, name) : undefined;
  // A unit below /etc goes before the line, and the line before the distribution's unit.
  const byUnit = present && (unit?.file.startsWith('/etc/') === true || !hasLineFor(fstab, wish.path));
  if (!byUnit) {
    const write: WriteFile = { kind: 'write', path: FSTAB, text: editFstab(fstab, wish, defaultSize) };
    return finish(FSTAB, await planWrites(host, [write]), [], running);
  }
  if (unit?.masked === true) {
    throw new VhostHostError('SETUP_REFUSED', `${unit.file} is masked: systemd shall not mount ${wish.path}`, {
      hint: `systemctl unmask ${name}`,
      details: { path: wish.path, unit: name },
    });
  }
  const own = `${UNITS}/${name}`;
  const isOwn = unit === undefined || (await look.readOptional(unit.file))?.startsWith(MARK) === true;
  if (!isOwn) return dropIn(host, wish, unit, running, defaultSize);
  const planned = await planWrites(host, [{ kind: 'write', path: own, text: unitText(wish) }]);
  const enabled = (await look.lstat(`${UNITS}/local-fs.target.wants/${name}`)) !== undefined;
  const enable: Action = { kind: 'run', command: ['systemctl', 'enable', name], undo: ['systemctl', 'disable', name] };
  return finish(own, planned, enabled ? [] : [enable], running);
}

async function dropIn(
  host: Host,
  wish: MountWish,
  unit: MountUnit,
  running: boolean,
  defaultSize: number,
): Promise<Keeping> {
  if (unit.type !== 'hugetlbfs') {
    throw new VhostHostError('SETUP_REFUSED', `${unit.file} mounts ${unit.type || 'something'} at ${wish.path}`, {
      hint: `systemctl cat ${unit.name}`,
      details: { path: wish.path, unit: unit.name },
    });
  }
  const right = unitPageSize(unit, defaultSize) === wish.pageSize && fitRights(wish, rightsIn(unit.options));
  if (right) return { where: unit.source, actions: [], diff: '' };
  if (unit.source !== unit.file && basename(unit.source) > DROP_IN) {
    throw new VhostHostError('SETUP_REFUSED', `${unit.source} sets the options of ${wish.path} after any of ours`, {
      hint: `systemctl edit --drop-in=${basename(unit.source, '.conf')} ${unit.name}`,
      details: { path: wish.path, unit: unit.name },
    });
  }
  const path = `${UNITS}/${unit.name}.d/${DROP_IN}`;
  const text = `${MARK}[Mount]\nOptions=${setOptions(unit.options, wish, undefined)}\n`;
  const planned = await planWrites(host, [{ kind: 'write', path, text }]);
  return finish(path, planned, [], running);
}

/** Nothing of a unit is found by systemd before it has read its directories again; of fstab neither. */
function finish(
  where: string,
  { actions, diff }: { readonly actions: readonly Action[]; readonly diff: string },
  enable: readonly Action[],
  running: boolean,
): Keeping {
  const reload = actions.length > 0 && running;
  const all = reload ? followedBy(actions, ['systemctl', 'daemon-reload']) : actions;
  return { where, actions: [...all, ...enable], diff };
}

/** Default dependencies order it before local-fs.target, and so before libvirt and the switch. */
function unitText(wish: MountWish): string {
  const size = shortSize(wish.pageSize);
  return `${MARK}[Unit]
Description=Hugepages of ${size}
ConditionPathExists=/sys/kernel/mm/hugepages/hugepages-${wish.pageSize / 1024}kB

[Mount]
What=hugetlbfs
Where=${wish.path}
Type=hugetlbfs
Options=${optionsOf(wish)}

[Install]
WantedBy=local-fs.target
`;
}
