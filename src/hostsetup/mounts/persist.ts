import { basename } from 'node:path';
import { VhostHostError } from '../../common/errors.js';
import { pageSizeOption } from '../../host/kernel/mount-table.js';
import { shortSize } from '../../common/bytes.js';
import { fileDiff, followedBy, planWrites, resultOf, sameFile } from '../../changes/steps.js';
import type { Action, Snapshot, WriteFile } from '../../changes/steps.js';
import type { Look } from '../../host/tolerant-reader.js';
import { FSTAB, editFstab, foreignLinesFor, hasLineFor } from './fstab.js';
import { isMountedAtStart, limitsTooSmall, misfit, optionsOf, setOptions } from './options.js';
import type { Ids } from './options.js';
import { findUnit } from './units.js';
import type { MountUnit } from './units.js';
import { mountUnitName } from '../system/systemd.js';
import type { Systemd } from '../system/systemd.js';
import type { Host } from '../../host/host.js';
import type { MountSpec } from './spec.js';

/**
 * A mount at each start. Where /etc/fstab has a line for the path, that line is right or made right; else systemd gets
 * a unit, or its unit that is there already a drop-in; without systemd the fstab gets a line.
 */

export interface Keeping {
  /** Where it is said, for people. */
  readonly where: string;
  /** What is amiss with what is written down already. */
  readonly amiss: string;
  readonly actions: readonly Action[];
  readonly diff: string;
  /** As it is going to be. */
  readonly fstab: Snapshot | undefined;
}

/** What the specs of one plan look at. */
export interface Place {
  readonly host: Host;
  readonly look: Look;
  readonly systemd: Systemd;
  /** Pages of a mount that names no size, and of one at the next start. */
  readonly defaultSize: number;
  readonly nextSize: number;
  readonly ids: Ids;
  /** As the specs before leave it. */
  readonly fstab: Snapshot | undefined;
}

const UNITS = '/etc/systemd/system';
const DROP_IN = 'vhost-host.conf';
const MARK = '# Written by vhost-host; what is changed in here is changed back by the next set-up.\n';

export const isOwnText = (text: string): boolean => text.startsWith(MARK);

export async function keep(place: Place, spec: MountSpec): Promise<Keeping> {
  const { look, systemd, fstab } = place;
  const unit = systemd.present ? await findUnit(look, mountUnitName(spec.path)) : undefined;
  // A unit below /etc goes before the line, and the line before the distribution's unit.
  const inFstab = unit?.beforeFstab !== true && hasLineFor(fstab?.text ?? '', spec.path);
  if (!systemd.present || inFstab) return byLine(place, spec);
  if (unit?.masked === true) {
    throw new VhostHostError('SETUP_REFUSED', `${unit.file} is masked: systemd shall not mount ${spec.path}`, {
      hint: `systemctl unmask ${unit.name}`,
      details: { path: spec.path, unit: unit.name },
    });
  }
  const foreign = unit !== undefined && !isOwnText((await look.readOptional(unit.file)) ?? '');
  return foreign ? byDropIn(place, spec, unit) : byUnit(place, spec);
}

function amissIn(options: string, spec: MountSpec, late: boolean): string {
  const limits = limitsTooSmall(options, spec).map((limit) => `${limit} is too small`);
  return [...(late ? ['nothing mounts it at a start'] : []), ...limits].join(', ');
}

/** Several specs edit the one file: each finds what those before it leave. */
function byLine({ fstab, systemd, nextSize, ids }: Place, spec: MountSpec): Keeping {
  const write: WriteFile = { kind: 'write', path: FSTAB, text: editFstab(fstab?.text ?? '', spec, nextSize, ids) };
  const after = resultOf(write, fstab);
  if (sameFile(fstab, after)) return { where: FSTAB, amiss: '', actions: [], diff: '', fstab };
  const lines = foreignLinesFor(fstab?.text ?? '', spec.path);
  const [amiss = ''] = lines.map(({ options }) => amissIn(options, spec, !isMountedAtStart(options)));
  return { where: FSTAB, amiss, actions: noted([write], systemd), diff: fileDiff(FSTAB, fstab, after), fstab: after };
}

async function byUnit({ host, look, systemd, fstab }: Place, spec: MountSpec): Promise<Keeping> {
  const name = mountUnitName(spec.path);
  const where = `${UNITS}/${name}`;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path: where, text: unitText(spec) }]);
  const enabled = (await look.lstat(`${UNITS}/local-fs.target.wants/${name}`)) !== undefined;
  return { where, amiss: '', actions: [...noted(actions, systemd), ...(enabled ? [] : [enable(name)])], diff, fstab };
}

function enable(name: string): Action {
  return { kind: 'run', command: ['systemctl', 'enable', name], undo: ['systemctl', 'disable', name] };
}

async function byDropIn(place: Place, spec: MountSpec, unit: MountUnit): Promise<Keeping> {
  const { host, systemd, nextSize, ids, fstab } = place;
  if (unit.type !== 'hugetlbfs') {
    throw new VhostHostError('SETUP_REFUSED', `${unit.file} mounts ${unit.type || 'something'} at ${spec.path}`, {
      hint: `systemctl cat ${unit.name}`,
      details: { path: spec.path, unit: unit.name },
    });
  }
  const enabling = unit.linked || unit.systems ? [] : [enable(unit.name)];
  const pageSize = pageSizeOption(unit.options) ?? nextSize;
  const amiss = amissIn(unit.options, spec, enabling.length > 0);
  const right = misfit({ options: unit.options, pageSize }, spec, ids) === undefined;
  if (right && limitsTooSmall(unit.options, spec).length === 0) {
    return { where: unit.source, amiss, actions: enabling, diff: '', fstab };
  }
  const where = `${UNITS}/${unit.name}.d/${dropInAfter(unit)}`;
  const text = `${MARK}[Mount]\nOptions=${setOptions(unit.options, spec, undefined, ids)}\n`;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path: where, text }]);
  return { where, amiss, actions: [...noted(actions, systemd), ...enabling], diff, fstab };
}

/** Of all drop-ins the last one that has options counts. */
function dropInAfter({ source, file }: MountUnit): string {
  return source !== file && basename(source) > DROP_IN ? `zz-${DROP_IN}` : DROP_IN;
}

/** systemd knows nothing of a new unit, drop-in or line of fstab before it has read them all again. */
function noted(actions: readonly Action[], { running }: Systemd): readonly Action[] {
  return actions.length > 0 && running ? followedBy(actions, ['systemctl', 'daemon-reload']) : actions;
}

/** Default dependencies order it before local-fs.target, and so before libvirt and the switch. */
function unitText(spec: MountSpec): string {
  const size = shortSize(spec.pageSize);
  return `${MARK}[Unit]
Description=Hugepages of ${size}
ConditionPathExists=/sys/kernel/mm/hugepages/hugepages-${spec.pageSize / 1024}kB

[Mount]
What=hugetlbfs
Where=${spec.path}
Type=hugetlbfs
Options=${optionsOf(spec)}

[Install]
WantedBy=local-fs.target
`;
}
