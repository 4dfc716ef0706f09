import type { Broker } from './broker.js';
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

async function socketsFor(
  claims: readonly Claim[],
  socketOf: (claim: Claim) => Promise<string>,
): Promise<Map<string, string>> {
  const sockets = new Map<string, string>();
  for (const claim of claims) sockets.set(claim.netdev, await socketOf(claim));
  return sockets;
}

/**
 * Rewrites a call. Ports are claimed last, after the whole rewrite has been done once with the sockets it
 * would get: whatever is wrong with the call must not leave a claimed port behind.
 */
export async function launch(
  { args, emulator, config, dry }: Call,
  host: FactsHost,
  broker: Broker,
): Promise<Rewritten> {
  const { claims, memoryPaths, belowLibvirt } = survey(args, config);
  const facts = await readFacts(host, memoryPaths);
  const predicted = await socketsFor(claims, (claim) => broker.predict(claim));
  const planned = rewrite(args, { emulator, facts, config, sockets: predicted });
  if (dry || claims.length === 0) return planned;
  const sockets = await socketsFor(claims, (claim) => broker.claim(claim, belowLibvirt));
  if (claims.every(({ netdev }) => sockets.get(netdev) === predicted.get(netdev))) return planned;
  return rewrite(args, { emulator, facts, config, sockets });
}
