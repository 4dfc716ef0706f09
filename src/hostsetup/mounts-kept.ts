import { basename } from 'node:path';
import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import { shortSize } from '../sizes.js';
import { fileDiff, followedBy, planWrites, resultOf, sameFile } from '../steps.js';
import type { Action, Snapshot, WriteFile } from '../steps.js';
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
  /** As it is going to be. */
  readonly fstab: Snapshot | undefined;
}

/** What the wishes of one plan look at. */
export interface Place {
  readonly host: Host;
  readonly look: Look;
  readonly systemd: Systemd;
  /** Pages of a mount that names no size. */
  readonly defaultSize: number;
  /** As the wishes before leave it. */
  readonly fstab: Snapshot | undefined;
}

const UNITS = '/etc/systemd/system';
const DROP_IN = 'vhost-host.conf';
const MARK = '# Written by vhost-host; what is changed in here is changed back by the next set-up.\n';

export async function keep(place: Place, wish: MountWish): Promise<Keeping> {
  const { look, systemd, fstab } = place;
  const unit = systemd.present ? await findUnit(look, mountUnitName(wish.path)) : undefined;
  // A unit below /etc goes before the line, and the line before the distribution's unit.
  const inFstab = unit?.file.startsWith('/etc/') !== true && hasLineFor(fstab?.text ?? '', wish.path);
  if (!systemd.present || inFstab) return byLine(place, wish);
  if (unit?.masked === true) {
    throw new VhostHostError('SETUP_REFUSED', `${unit.file} is masked: systemd shall not mount ${wish.path}`, {
      hint: `systemctl unmask ${unit.name}`,
      details: { path: wish.path, unit: unit.name },
    });
  }
  const foreign = unit !== undefined && (await look.readOptional(unit.file))?.startsWith(MARK) !== true;
  return foreign ? byDropIn(place, wish, unit) : byUnit(place, wish);
}

/** Several wishes edit the one file: each finds what those before it leave. */
function byLine({ fstab, systemd, defaultSize }: Place, wish: MountWish): Keeping {
  const write: WriteFile = { kind: 'write', path: FSTAB, text: editFstab(fstab?.text ?? '', wish, defaultSize) };
  const after = resultOf(write, fstab);
  if (sameFile(fstab, after)) return { where: FSTAB, actions: [], diff: '', fstab };
  return { where: FSTAB, actions: noted([write], systemd), diff: fileDiff(FSTAB, fstab, after), fstab: after };
}

async function byUnit({ host, look, systemd, fstab }: Place, wish: MountWish): Promise<Keeping> {
  const name = mountUnitName(wish.path);
  const where = `${UNITS}/${name}`;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path: where, text: unitText(wish) }]);
  const enabled = (await look.lstat(`${UNITS}/local-fs.target.wants/${name}`)) !== undefined;
  const enable: Action = { kind: 'run', command: ['systemctl', 'enable', name], undo: ['systemctl', 'disable', name] };
  return { where, actions: [...noted(actions, systemd), ...(enabled ? [] : [enable])], diff, fstab };
}

async function byDropIn(place: Place, wish: MountWish, unit: MountUnit): Promise<Keeping> {
  const { host, systemd, defaultSize, fstab } = place;
  if (unit.type !== 'hugetlbfs') {
    throw new VhostHostError('SETUP_REFUSED', `${unit.file} mounts ${unit.type || 'something'} at ${wish.path}`, {
      hint: `systemctl cat ${unit.name}`,
      details: { path: wish.path, unit: unit.name },
    });
  }
  const right = unitPageSize(unit, defaultSize) === wish.pageSize && fitRights(wish, rightsIn(unit.options));
  if (right) return { where: unit.source, actions: [], diff: '', fstab };
  if (unit.source !== unit.file && basename(unit.source) > DROP_IN) {
    throw new VhostHostError('SETUP_REFUSED', `${unit.source} sets the options of ${wish.path} after any of ours`, {
      hint: `systemctl edit --drop-in=${basename(unit.source, '.conf')} ${unit.name}`,
      details: { path: wish.path, unit: unit.name },
    });
  }
  const where = `${UNITS}/${unit.name}.d/${DROP_IN}`;
  const text = `${MARK}[Mount]\nOptions=${setOptions(unit.options, wish, undefined)}\n`;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path: where, text }]);
  return { where, actions: noted(actions, systemd), diff, fstab };
}

/** systemd knows nothing of a new unit, drop-in or line of fstab before it has read them all again. */
function noted(actions: readonly Action[], { running }: Systemd): readonly Action[] {
  return actions.length > 0 && running ? followedBy(actions, ['systemctl', 'daemon-reload']) : actions;
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
