import type { Host } from '../../host/host.js';
import { planWrites } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

/** Groups and users of the system, by sysusers.d(5): made again where somebody builds the system's accounts anew. */

const DATABASES = { group: '/etc/group', user: '/etc/passwd' } as const;
const REMOVALS = { group: 'groupdel', user: 'userdel' } as const;

export interface Account {
  readonly kind: keyof typeof DATABASES;
  readonly name: string;
  readonly why: string;
  /** Where and how sysusers.d has it. */
  readonly path: string;
  readonly line: string;
}

export async function hasAccount(host: Host, { kind, name }: Pick<Account, 'kind' | 'name'>): Promise<boolean> {
  const text = (await host.readOptional(DATABASES[kind])) ?? '';
  return text.split('\n').some((line) => line.split(':')[0] === name);
}

/** The step that makes it, and undone takes it away only where it was made by that. */
export async function accountStep(host: Host, account: Account): Promise<Step> {
  const { kind, name, why, path, line } = account;
  const there = await hasAccount(host, account);
  const text = `${WRITTEN_BY_SETUP}${line}\n`;
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path, text }]);
  const make = { kind: 'run', command: ['systemd-sysusers', path], undo: [REMOVALS[kind], name] } as const;
  return {
    id: kind,
    title: `the system ${kind} ${name}`,
    why,
    current: there ? 'there' : 'missing',
    wanted: 'there',
    diff,
    actions: [...actions, ...(there ? [] : [make])],
    needsReboot: false,
    verify: async (now) => ((await hasAccount(now, account)) ? undefined : `there is still no ${kind} ${name}`),
  };
}
