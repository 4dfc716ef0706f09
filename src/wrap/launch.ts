import type { Host } from '../host.js';
import type { Broker } from './broker.js';
import type { Config } from './config.js';
import { readFacts } from './facts.js';
import { rewrite, survey } from './rewrite.js';
import type { Claim, Rewritten } from './rewrite.js';

async function socketsFor(
  claims: readonly Claim[],
  socketOf: (claim: Claim) => Promise<string>,
): Promise<Map<string, string>> {
  const sockets = new Map<string, string>();
  for (const claim of claims) sockets.set(claim.netdev, await socketOf(claim));
  return sockets;
}

/**
 * Rewrites a call, `dry` for --explain. Ports are claimed last, after the whole rewrite has been done
 * once with the sockets it would get: whatever is wrong with the call must not leave a claimed port behind.
 */
export async function launch(
  args: readonly string[],
  config: Config,
  host: Host,
  broker: Broker,
  dry: boolean,
): Promise<Rewritten> {
  const { claims, memoryPaths, belowLibvirt } = survey(args, config);
  const facts = await readFacts(host, memoryPaths);
  const predicted = await socketsFor(claims, (claim) => broker.predict(claim));
  const planned = rewrite(args, { facts, config, sockets: predicted });
  if (dry || claims.length === 0) return planned;
  const sockets = await socketsFor(claims, (claim) => broker.claim(claim, belowLibvirt));
  return rewrite(args, { facts, config, sockets });
}
