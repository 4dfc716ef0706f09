import { isDone } from '../../changes/steps.js';
import type { Action, Step } from '../../changes/steps.js';
import { declare } from '../boot/built-system.js';
import type { Declared } from '../boot/built-system.js';
import type { SnippetStyle } from '../boot/method.js';
import type { HostFacts } from '../facts/index.js';
import { Look } from '../../host/tolerant-reader.js';
import type { ByHand, PartPlan } from '../../changes/part-plan.js';
import { UNIT_PATH } from '../service/unit.js';
import { readAtStart } from '../hugepages/at-boot/read.js';
import type { Host } from '../../host/host.js';
import type { PoolSpec } from '../hugepages/spec.js';

/**
 * `setup` on a system that is built from a configuration: what changes the running kernel is done, what is a file
 * becomes words for that configuration.
 */

const RUNTIME: readonly Action['kind'][] = ['set', 'mount'];

/** The step without what lasts; undefined where nothing is left of it. */
function runtimePart(step: Step): Step | undefined {
  if (isDone(step)) return step;
  const actions = step.actions.filter(({ kind }) => RUNTIME.includes(kind));
  return actions.length === 0 ? undefined : { ...step, actions, diff: '' };
}

async function textsIn(host: Host, dir: string, end: string): Promise<string[]> {
  const names = (await host.list(dir)).filter((name) => name.endsWith(end));
  return Promise.all(names.map(async (name) => (await host.readOptional(`${dir}/${name}`)) ?? ''));
}

async function missingPools(host: Host, { pools }: HostFacts, specs: readonly PoolSpec[]): Promise<PoolSpec[]> {
  const nodeCount = Math.max(1, ...specs.map(({ node = 0 }) => node + 1));
  const at = await readAtStart(new Look(host), { line: '', implicit: '2M', systemd: true, pools, nodeCount });
  return specs.filter(({ pageSize, node, count }) => at({ pageSize, node }).pages < count);
}

async function nicMissing(
  host: Host,
  facts: HostFacts,
  { address, driver }: NonNullable<Declared['nic']>,
): Promise<boolean> {
  if (facts.nics.some((nic) => nic.address === address && nic.driver === driver)) return false;
  return !(await textsIn(host, '/etc/udev/rules.d', '.rules')).some((text) => text.includes(address));
}

/** What of it the system does not have yet. */
async function lacking(host: Host, facts: HostFacts, all: Declared, pending: readonly Step[]): Promise<Declared> {
  const loaded = (name: string): boolean =>
    [...facts.modules].some(([known, state]) => known === name && (state === 'loaded' || state === 'built-in'));
  const { nic, service } = all;
  return {
    pools: await missingPools(host, facts, all.pools),
    mounts: all.mounts.filter(({ path }) => pending.some(({ id }) => id === `hugetlbfs:${path}`)),
    modules: all.modules.filter((name) => !loaded(name)),
    nic: nic !== undefined && (await nicMissing(host, facts, nic)) ? nic : undefined,
    service: service !== undefined && (await host.stat(UNIT_PATH)) === undefined ? service : undefined,
  };
}

/** Steps that `declare` has words for, by the beginnings of their names. */
const DECLARED = /^(hugetlbfs:|hugepages|modules$|nic-|service$)/;

export interface BuiltSystem {
  readonly style: SnippetStyle;
  readonly reason: string;
}

/** `parts` as they would be on any other system; `kernel`: its arguments, in the system's own words. */
export async function planBuilt(
  host: Host,
  facts: HostFacts,
  { style, reason }: BuiltSystem,
  parts: readonly PartPlan[],
  kernel: ByHand | undefined,
  wanted: Declared,
): Promise<PartPlan> {
  const steps = parts.flatMap((part) => part.steps);
  const pending = steps.filter((step) => !isDone(step) && step.actions.some(({ kind }) => !RUNTIME.includes(kind)));
  const lines = declare(style, await lacking(host, facts, wanted, pending));
  const paths = wanted.mounts.map(({ path }) => `hugetlbfs:${path}`);
  // A mount at another path than was requested, because that one is somebody else's.
  const declared = (id: string): boolean => DECLARED.test(id) && (!id.startsWith('hugetlbfs:') || paths.includes(id));
  const others = pending.filter(({ id }) => !declared(id)).map(({ title, wanted: goal }) => `# ${title}: ${goal}`);
  const snippet = [...(kernel === undefined ? [] : [kernel.snippet]), ...lines, ...others].join('\n');
  const byHand: ByHand[] = snippet === '' ? [] : [{ reason, snippet }];
  return {
    steps: steps.flatMap((step) => runtimePart(step) ?? []),
    notes: parts.flatMap(({ notes }) => notes),
    byHand,
  };
}
