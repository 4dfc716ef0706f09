import { startOf } from '../../host/kernel/process.js';
import type { Claimant } from '../model/schema.js';
import type { Host } from '../../host/host.js';

/**
 * The processes that ports are claimed for: one that ends before its guest has connected wants its port no more.
 * What a claimant says about itself is believed only as far as /proc shows the same, and all it can bring about is
 * the end of its own claim.
 */

type Look = Pick<Host, 'readOptional'>;

/** Whether this very process lives; undefined where /proc does not let us look (`hidepid`). */
export async function lives(host: Look, { pid, started }: Claimant): Promise<boolean | undefined> {
  try {
    return (await startOf(host, pid)) === started;
  } catch {
    return undefined;
  }
}

/** The claimant, where it can be watched: one of another PID namespace, or that is hidden from us, cannot. */
export async function watchable(host: Look, claimant: Claimant | undefined): Promise<Claimant | undefined> {
  return claimant !== undefined && (await lives(host, claimant)) === true ? claimant : undefined;
}

/** Whether both name the same process. */
export function isSame(one: Claimant | undefined, other: Claimant | undefined): boolean {
  return one !== undefined && one.pid === other?.pid && one.started === other.started;
}

/** Those of the claims whose process has ended since. */
export async function orphaned<
  T extends { readonly claimedAt?: number | undefined; readonly claimant?: Claimant | undefined },
>(host: Look, claims: readonly T[]): Promise<T[]> {
  const watched = claims.flatMap((claim) =>
    claim.claimedAt === undefined || claim.claimant === undefined ? [] : [{ claim, claimant: claim.claimant }],
  );
  const alive = await Promise.all(watched.map(({ claimant }) => lives(host, claimant)));
  return watched.filter((_, i) => alive[i] === false).map(({ claim }) => claim);
}
