/**
 * Rules for ports that qemu-wrap asks for on behalf of a guest. Pure; times are milliseconds of one
 * monotonic clock.
 */

/** A claim keeps others off the port for so long while QEMU starts up, unless that is seen to end before. */
const RESERVED_MS = 30_000;
/** A port made for a claim is removed when no guest ever came … */
const NEVER_CONNECTED_MS = 60_000;
/** … or the guest went and did not come back. A reboot of the guest keeps the connection. */
const GUEST_GONE_MS = 10_000;
/** Claims that no guest has connected to yet: bounds what the users of wrap.sock can pile up. */
export const MAX_OPEN_CLAIMS = 32;
const MAX_NAME = 63;

export interface ClaimState {
  readonly origin: 'config' | 'api' | 'claim';
  readonly connected: boolean;
  /** When it was handed out; undefined where a front end came after that, or it never was. */
  readonly claimedAt: number | undefined;
  /** When the last front end went, or the process that was to be one; undefined where neither was since the claim. */
  readonly lostAt: number | undefined;
}

/** Why the port cannot be handed out now; undefined where it can. */
export function takenReason(port: ClaimState, now: number): string | undefined {
  if (port.connected) return 'a guest is connected to it';
  if (port.claimedAt === undefined || now - port.claimedAt >= RESERVED_MS) return undefined;
  return `it was handed out ${Math.floor((now - port.claimedAt) / 1000)} s ago to a guest that is still to connect`;
}

/** Why a port made for a claim is of no use any more; undefined where it is, or was made otherwise. */
export function expiredReason(port: ClaimState, now: number): string | undefined {
  if (port.origin !== 'claim' || port.connected) return undefined;
  if (port.claimedAt !== undefined) {
    return now - port.claimedAt >= NEVER_CONNECTED_MS ? 'no guest connected to it' : undefined;
  }
  return port.lostAt !== undefined && now - port.lostAt >= GUEST_GONE_MS ? 'its guest is gone' : undefined;
}

/** Whether a port that was not made for a claim is no longer its claimant's: that went, or never came. */
export function lapsed(port: ClaimState, now: number): boolean {
  if (port.origin === 'claim' || port.connected) return false;
  return expiredReason({ ...port, origin: 'claim' }, now) !== undefined;
}

/** The n-th name for one claim: `name`, `name-2`, `name-3` …, cut so that it stays a port name. */
export function siblingName(name: string, n: number): string {
  if (n === 1) return name;
  const suffix = `-${n}`;
  return name.slice(0, MAX_NAME - suffix.length) + suffix;
}
