import { findNode } from '../../host/daemon-path.js';
import { VhostHostError } from '../../common/errors.js';
import { followedBy, planWrites } from '../../changes/steps.js';
import type { Action, Step, WriteFile } from '../../changes/steps.js';
import { cardsFile } from './cards.js';
import { configuredGroup, groupStep, memlockStep } from './group.js';
import { ENABLED_LINK, SHIPPED_UNIT_PATHS, UNIT_NAME, UNIT_PATH, unitBody, unitText } from './unit.js';
import type { UnitPlace } from './unit.js';
import { planUser } from './user.js';
import type { PartPlan } from '../../changes/part-plan.js';
import { findSystemd } from '../system/systemd.js';
import type { Host } from '../../host/host.js';

export interface ServiceSpec {
  /** Whether the switch is started at every boot. */
  readonly start: boolean;
  /** Group that runs QEMU; by default kvm, which the switch opens its sockets to. */
  readonly group?: string;
  /** Absolute path of bin/vhost-host. */
  readonly binary: string;
  /** Absolute path of the switch's configuration file. */
  readonly config?: string;
  /** It has a card that no IOMMU holds back. */
  readonly unheldCard?: boolean;
  /** As a user of its own; undefined: as before, while nothing needs root. */
  readonly ownUser?: boolean | undefined;
  /** What needs root, such as `a network card`. */
  readonly needsRoot?: string | undefined;
}

/** Looks, and changes nothing. The switch itself is not started: that is for the next boot, or for the user to say. */
export async function planService(host: Host, spec: ServiceSpec): Promise<PartPlan> {
  const { steps, notes } = await groupPart(host, spec);
  if (!(await findSystemd(host)).present) {
    const reason = "there is no systemd here to start the switch at boot: this system's own way has to";
    return { steps, notes, ...(spec.start ? { byHand: [{ reason, snippet: `${spec.binary} start` }] } : {}) };
  }
  await refuseBroken(host, spec);
  const { ownUser, needsRoot, binary, config } = spec;
  const group = spec.group ?? (await configuredGroup(host, config));
  const user = await planUser(host, { ownUser, needsRoot, group, binary, config });
  const service = await serviceStep(host, spec, { binary, config, group }, user.files);
  const now =
    service.actions.length > 0 && spec.start
      ? [`the switch is started at the next boot, or now by: systemctl start ${UNIT_NAME}`]
      : [];
  return { steps: [...steps, ...user.steps, service], notes: [...notes, ...now] };
}

async function groupPart(host: Host, { group, config }: ServiceSpec): Promise<PartPlan> {
  const found = await groupStep(host, group, config);
  const memlock = await memlockStep(host, found.name);
  return { steps: [...found.steps, ...memlock], notes: found.notes };
}

/** A service that cannot start is found out here, and not at the next boot. */
async function refuseBroken(host: Host, { binary, config }: ServiceSpec): Promise<void> {
  const program = await host.stat(binary);
  if (program?.kind !== 'file' || (program.mode & 0o100) === 0) {
    throw new VhostHostError('SETUP_REFUSED', `${binary} is not a program that could be started at boot`, {
      hint: 'npm install && npm run build',
      details: { binary },
    });
  }
  await findNode(host);
  if (config === undefined || (await host.stat(config))?.kind === 'file') return;
  throw new VhostHostError('SETUP_REFUSED', `there is no configuration file ${config} for the switch`, {
    hint: 'leave it out, or write one: docs/configuration.md',
    details: { config },
  });
}

/** Whether the distribution's package has installed this very service, and nothing stands before it. */
async function isShipped(host: Host, place: UnitPlace): Promise<boolean> {
  if ((await host.stat(UNIT_PATH)) !== undefined) return false;
  for (const path of SHIPPED_UNIT_PATHS) {
    const text = await host.readOptional(path);
    if (text !== undefined) return text.endsWith(`\n${unitBody(place)}`);
  }
  return false;
}

async function serviceStep(
  host: Host,
  { start, unheldCard = false }: ServiceSpec,
  place: UnitPlace,
  besides: readonly WriteFile[],
): Promise<Step> {
  const shipped = await isShipped(host, place);
  const before = shipped || (await host.stat(UNIT_PATH)) !== undefined;
  const enabled = (await host.lstat(ENABLED_LINK)) !== undefined;
  const { running } = await findSystemd(host);
  const unit: WriteFile = { kind: 'write', path: UNIT_PATH, text: unitText(place), mode: 0o644, uid: 0, gid: 0 };
  const files = [...(shipped ? [] : [unit]), ...(unheldCard ? [cardsFile] : []), ...besides];
  const { actions, diff } = await planWrites(host, files);
  const reload = running && actions.length > 0 ? followedBy(actions, ['systemctl', 'daemon-reload']) : actions;
  const word = (installed: boolean, atBoot: boolean): string =>
    installed ? `installed, ${atBoot ? 'started at boot' : 'not started at boot'}` : 'not installed';
  return {
    id: 'service',
    title: `the switch as ${UNIT_NAME}`,
    why: 'it is there before libvirt starts guests, comes back when it ends, and may do no more than it needs',
    current: word(before, enabled),
    wanted: word(true, start),
    diff,
    actions: [...reload, ...enabling(start, enabled, running)],
    needsReboot: false,
    verify: async (there) => {
      const is = (await there.lstat(ENABLED_LINK)) !== undefined;
      return is === start ? undefined : `${UNIT_NAME} is ${is ? 'still' : 'not'} started at boot`;
    },
  };
}

/** Undone, a service that runs is ended as well: its unit is about to go. */
function enabling(start: boolean, enabled: boolean, running: boolean): Action[] {
  const disable = ['systemctl', 'disable', ...(running ? ['--now'] : []), UNIT_NAME];
  const enable = ['systemctl', 'enable', UNIT_NAME];
  if (start === enabled) return [];
  return start ? [{ kind: 'run', command: enable, undo: disable }] : [{ kind: 'run', command: disable, undo: enable }];
}
