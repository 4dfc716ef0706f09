import { poolDirectory } from '../../host/kernel/hugepages.js';
import type { HugepagePool } from '../../host/kernel/hugepages.js';
import { GIB, sizeText } from '../../common/bytes.js';
import { SETUP, error, info, ok, warning } from './check.js';
import type { Check, DomainView, Outcome, Subject } from './check.js';
import { bootPairs } from '../kernel/hugepage-pairs.js';

/** Hugepages: there, enough of them, of the right size, on the right node, and still there after a reboot. */

function growCommand(pool: HugepagePool, pages: number): string {
  return `echo ${pages} | sudo tee ${poolDirectory(pool.pageSize)}/nr_hugepages`;
}

function reserved({ host }: Subject): Outcome[] {
  const { pools } = host.pools;
  if (pools.length === 0)
    return [warning('this kernel has no hugepages at all', 'boot a kernel with CONFIG_HUGETLBFS')];
  const used = pools.filter(({ total }) => total > 0);
  const sizes = pools.map(({ pageSize }) => sizeText(pageSize)).join(' and ');
  if (used.length === 0) return [warning(`none reserved (this kernel has ${sizes}): guests get ordinary pages`, SETUP)];
  return used.map(({ pageSize, total, free }) => ok(`${total} of ${sizeText(pageSize)}, ${free} free`));
}

function need(domain: DomainView, pageSize: number): number {
  const pages = domain.pages.filter((spec) => spec.pageSize === pageSize);
  return pages.reduce((sum, { count }) => sum + count, 0);
}

/** A domain that runs has its pages already. */
export function waiting({ around }: Subject): readonly DomainView[] {
  return around.domains.filter(({ running, pages }) => !running && pages.length > 0);
}

/** Domains that the whole host has too few pages for. */
export function shortOf(subject: Subject): Set<string> {
  const short = waiting(subject).filter((domain) =>
    domain.pages.some(({ pageSize }) => {
      const pool = subject.host.pools.pools.find((candidate) => candidate.pageSize === pageSize);
      return pool !== undefined && need(domain, pageSize) > pool.free;
    }),
  );
  return new Set(short.map(({ name }) => name));
}

function demandOf(subject: Subject, pool: HugepagePool): Outcome[] {
  const wanting = waiting(subject).filter((domain) => need(domain, pool.pageSize) > 0);
  if (wanting.length === 0) return [];
  const all = wanting.reduce((sum, domain) => sum + need(domain, pool.pageSize), 0);
  const size = sizeText(pool.pageSize);
  const alone = wanting.filter((domain) => need(domain, pool.pageSize) > pool.free);
  const fix = growCommand(pool, pool.total + all - pool.free);
  if (alone.length > 0) {
    const who = alone.map((domain) => `${domain.name} needs ${need(domain, pool.pageSize)}`).join(', ');
    return [error(`${who} of ${size}, ${pool.free} are free`, fix)];
  }
  const said = `${wanting.map(({ name }) => name).join(', ')} together need ${all} of ${size}, ${pool.free} are free`;
  return [all > pool.free ? warning(`${said}: they cannot all run at once`, fix) : ok(said)];
}

function demand(subject: Subject): Outcome[] {
  const { domains } = subject.around;
  if (domains.length === 0) return [];
  const outcomes = subject.host.pools.pools.flatMap((pool) => demandOf(subject, pool));
  if (outcomes.length > 0) return outcomes;
  const bytes = domains.reduce((sum, domain) => sum + domain.bytes, 0);
  const whole = sizeText(Math.ceil(bytes / GIB) * GIB);
  return [info(`no domain waits for hugepages; the memory of all domains comes to ${whole}, rounded up`)];
}

function perNode({ host }: Subject): Outcome[] {
  const nodes = host.system.nodes.filter(({ total }) => total > 0).map(({ node }) => node);
  if (nodes.length < 2) return [];
  return host.pools.pools
    .filter(({ total }) => total > 0)
    .map(({ pageSize, total, nodes: pages }) => {
      const size = sizeText(pageSize);
      const empty = nodes.find((node) => (pages.get(node)?.total ?? 0) === 0);
      if (empty === undefined) return ok(`every node has some of ${size}`);
      const fix = `echo ${Math.ceil(total / nodes.length)} | sudo tee ${poolDirectory(pageSize, empty)}/nr_hugepages`;
      return warning(`node ${empty} has none of ${size}: guests on it get memory from afar`, fix);
    });
}

/** What the kernel was told at boot, and what came of it. */
function atBoot({ host }: Subject): Outcome[] {
  return bootPairs(host.system.arguments, host.pools.defaultPageSize).map(({ pageSize, pages }) => {
    const size = sizeText(pageSize);
    const pool = host.pools.pools.find((candidate) => candidate.pageSize === pageSize);
    if (pool === undefined)
      return error(`the kernel was asked to reserve ${pages} of ${size}, and has no such pages`, SETUP);
    const said = `wanted ${pages} of ${size}, got ${pool.total}`;
    return pool.total < pages ? warning(said, SETUP) : ok(said);
  });
}

function gigabytePages({ host }: Subject): Outcome[] {
  // Other architectures have other sizes, and no flag.
  if (!host.system.cpuFlags.has('pse')) return [];
  if (host.system.cpuFlags.has('pdpe1gb')) return [ok('the processor has pages of 1 GiB')];
  return [info('the processor has no pages of 1 GiB: guests use those of 2 MiB')];
}

function defaultSize({ host }: Subject): Outcome[] {
  const { pools, defaultPageSize } = host.pools;
  const said = host.system.arguments.filter((word) => word.startsWith('default_hugepagesz=')).at(-1);
  const size = sizeText(defaultPageSize);
  if (pools.length === 0) return [];
  if (said === undefined) return [ok(`${size}, as the kernel has it`)];
  const [wanted] = bootPairs([said, 'hugepages=1'], defaultPageSize);
  if (wanted?.pageSize !== defaultPageSize) return [warning(`${said} did not work: the default is ${size}`, SETUP)];
  const pairs = bootPairs(host.system.arguments, defaultPageSize);
  const hidden = pools.find(({ pageSize, total }) => pageSize < defaultPageSize && total === 0);
  if (hidden === undefined || pairs.some(({ pageSize }) => pageSize === hidden.pageSize))
    return [ok(`${size}, by ${said}`)];
  return [info(`${said} leaves none of ${sizeText(hidden.pageSize)}, which must be asked for by name`, SETUP)];
}

const group = 'hugepages';

export const HUGEPAGE_CHECKS: readonly Check[] = [
  { id: 'hugepages', title: 'reserved', group, live: true, states: ['ok', 'warning'], run: reserved },
  {
    id: 'hugepages-demand',
    title: 'enough for the guests',
    group,
    live: true,
    states: ['ok', 'info', 'warning', 'error'],
    run: demand,
  },
  { id: 'hugepages-nodes', title: 'on every NUMA node', group, live: true, states: ['ok', 'warning'], run: perNode },
  {
    id: 'hugepages-boot',
    title: 'as asked for at boot',
    group,
    live: true,
    states: ['ok', 'warning', 'error'],
    run: atBoot,
  },
  {
    id: 'hugepages-default',
    title: 'default size',
    group,
    live: true,
    states: ['ok', 'info', 'warning'],
    run: defaultSize,
  },
  { id: 'hugepages-1g', title: '1 GiB pages', group, live: true, states: ['ok', 'info'], run: gigabytePages },
];
