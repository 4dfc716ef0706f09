import { VhostHostError, printable } from '../../common/errors.js';
import { planWrites } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import type { PartPlan } from '../../changes/part-plan.js';
import { DEFAULT_GROUP } from './unit.js';
import type { Host } from '../../host/host.js';
import { accountStep, hasAccount } from './account.js';
import type { Account } from './account.js';
import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

export const DEFAULT_CONFIG = '/etc/vhost-host/switch.json';
const SYSUSERS = '/etc/sysusers.d/vhost-host.conf';
const LIMITS_DIR = '/etc/security/limits.d';

export interface GroupPart extends PartPlan {
  readonly name: string;
}

/** No directory is made for it: the switch makes /run/vhost-host when it starts, with the right owner. */
export async function groupStep(host: Host, group: string | undefined, config: string | undefined): Promise<GroupPart> {
  const name = group ?? DEFAULT_GROUP;
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(name)) {
    throw new VhostHostError('USAGE', `"${printable(name)}" is no name for a group`, { hint: 'such as kvm' });
  }
  const notes = name === DEFAULT_GROUP ? [] : await configNotes(host, name, config ?? DEFAULT_CONFIG);
  const account: Account = {
    kind: 'group',
    name,
    why: 'QEMU runs with it, and the switch opens its sockets to it',
    path: SYSUSERS,
    line: `g ${name} -`,
  };
  const ours = (await host.stat(SYSUSERS)) !== undefined;
  if ((await hasAccount(host, account)) && !ours) return { name, steps: [], notes };
  return { name, steps: [await accountStep(host, account)], notes };
}

/** The group that the configuration names, for the unit to have it; what is no name of one is the switch's to refuse. */
export async function configuredGroup(host: Host, config: string | undefined): Promise<string | undefined> {
  const text = (await host.readOptional(config ?? DEFAULT_CONFIG)) ?? '';
  return /"socket"\s*:\s*\{[^{}]*"group"\s*:\s*"(\w[\w.-]*)"/.exec(text)?.[1];
}

/** The switch takes the group from its configuration, which belongs to the user. */
async function configNotes(host: Host, name: string, path: string): Promise<string[]> {
  const text = (await host.readOptional(path)) ?? '';
  const named = new RegExp(`"group"\\s*:\\s*"${name}"`).test(text);
  return named ? [] : [`the switch opens its sockets to ${name} with "socket": { "group": "${name}" } in ${path}`];
}

/**
 * For a switch or QEMU with a card by way of vfio that somebody starts by hand and not as root: all of its memory is
 * locked then. libvirt and the service set their own limit. None where PAM does not read limits.
 */
export async function memlockStep(host: Host, group: string): Promise<Step[]> {
  if ((await host.stat(LIMITS_DIR))?.kind !== 'directory') return [];
  const path = `${LIMITS_DIR}/vhost-host.conf`;
  const text = `${WRITTEN_BY_SETUP}@${group} - memlock unlimited\n`;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path, text, mode: 0o644 }]);
  return [
    {
      id: 'memlock',
      title: `members of ${group} may lock memory`,
      why: 'a switch or guest with a network card by way of vfio, started by hand, locks all of its memory',
      current: actions.length === 0 ? 'they may' : 'the limit of the system',
      wanted: 'they may, from their next login on',
      diff,
      actions,
      needsReboot: false,
    },
  ];
}
