import type { Broker } from './broker.js';
import { readPools } from '../host/kernel/hugepages.js';
import { readFacts } from './memory/facts.js';
import type { FactsHost } from './memory/facts.js';
import { readFiles } from './cmdline/readconfig.js';
import { rewrite, survey } from './rewrite.js';
import type { Rewritten, Source } from './rewrite.js';
import type { Host } from '../host/host.js';
import type { Claim, Way } from './endpoint.js';

/** One call of the wrapper. */
export interface Call extends Omit<Source, 'files'> {
  /** Only asked what would be done. */
  readonly dry: boolean;
}

async function waysFor(claims: readonly Claim[], wayOf: (claim: Claim) => Promise<Way>): Promise<Map<string, Way>> {
  const ways = new Map<string, Way>();
  for (const claim of claims) ways.set(claim.netdev, await wayOf(claim));
  return ways;
}

/** Whether the first plan will do. */
function sameSocket(a: Way | undefined, b: Way | undefined): boolean {
  return a !== undefined && b !== undefined && 'socket' in a && 'socket' in b && a.socket === b.socket;
}

/**
 * Rewrites a call. Ports are claimed last, after the whole rewrite has been done once with what it
 * would get: whatever is wrong with the call must not leave a claimed port behind. Where that takes hugepages, `wait`
 * is for those that start at the same time and have not taken theirs yet, and what is free is looked at again.
 */
export async function launch(
  { dry, ...call }: Call,
  host: FactsHost & Pick<Host, 'read'>,
  broker: Broker,
  wait: () => Promise<void>,
): Promise<Rewritten> {
  const source: Source = { ...call, files: await readFiles(host, [...call.args, ...call.config.options]) };
  const { claims, memoryPaths, belowLibvirt } = survey(source);
  let facts = await readFacts(host, memoryPaths, claims.length > 0 ? call.emulator : undefined);
  const predicted = await waysFor(claims, (claim) => broker.predict(claim));
  let planned = rewrite(source, { facts, ways: predicted });
  if (!dry && planned.hugepagesKib !== undefined) {
    await wait();
    facts = { ...facts, ...(await readPools(host)) };
    planned = rewrite(source, { facts, ways: predicted });
  }
  if (dry || claims.length === 0) return planned;
  const ways = await waysFor(claims, (claim) => broker.claim(claim, belowLibvirt));
  if (claims.every(({ netdev }) => sameSocket(ways.get(netdev), predicted.get(netdev)))) return planned;
  return rewrite(source, { facts, ways });
}
