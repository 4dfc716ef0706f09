import type { Broker, Way } from './broker.js';
import type { Config } from './config-keys.js';
import { readFacts } from './facts.js';
import type { FactsHost } from './facts.js';
import { rewrite, survey } from './rewrite.js';
import type { Claim, Rewritten } from './rewrite.js';

/** One call of the wrapper. */
export interface Call {
  readonly args: readonly string[];
  /** The QEMU that will run it. */
  readonly emulator: string;
  readonly config: Config;
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
 * would get: whatever is wrong with the call must not leave a claimed port behind.
 */
export async function launch(
  { args, emulator, config, dry }: Call,
  host: FactsHost,
  broker: Broker,
): Promise<Rewritten> {
  const { claims, memoryPaths, belowLibvirt } = survey(args, config);
  const facts = await readFacts(host, memoryPaths);
  const predicted = await waysFor(claims, (claim) => broker.predict(claim));
  const planned = rewrite(args, { emulator, facts, config, ways: predicted });
  if (dry || claims.length === 0) return planned;
  const ways = await waysFor(claims, (claim) => broker.claim(claim, belowLibvirt));
  if (claims.every(({ netdev }) => sameSocket(ways.get(netdev), predicted.get(netdev)))) return planned;
  return rewrite(args, { emulator, facts, config, ways });
}
