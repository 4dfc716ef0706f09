import type { Case } from '../cases.js';
import { framesPerDirection } from '../cases.js';
import type { LatencyRow } from '../latency.js';
import type { Machine } from '../machine.js';
import type { MemoryRow } from '../memory.js';
import type { MicroTable } from '../micro.js';
import type { Direction, NicCase } from '../nic/cases.js';
import type { Outcome, Summary } from './summary.js';

export interface Row {
  readonly id: string;
  readonly frame: string;
  readonly rings: string;
  readonly guests: 'mac' | 'csum';
  /** Frames that circle. */
  readonly inFlight: number;
  readonly ours: Outcome;
  /** Null where there is nothing to compare with. */
  readonly peer: Outcome | null;
  /** Ours divided by the peer's. */
  readonly ratio: { readonly throughput: number; readonly cycles: number } | null;
}

/** Of the network side. */
export interface NicRow {
  readonly id: string;
  readonly direction: Direction;
  readonly length: number;
  readonly rings: string;
  readonly ours: Outcome;
  readonly peer: Outcome | null;
  /** Ours divided by the peer's: frames per second, and frames per busy cycle of the switch's core. */
  readonly ratio: { readonly throughput: number; readonly perCore: number } | null;
}

export interface Report {
  readonly machine: Machine;
  readonly switchVersion: string;
  /** The other switch, or null and why it was left out. */
  readonly peer: string | null;
  readonly peerReason: string | null;
  readonly hugepages: boolean;
  readonly hugepagesReason: string | null;
  readonly switchCpu: number;
  readonly guestCpu: number;
  readonly rounds: number;
  readonly windows: number;
  readonly seconds: number;
  readonly rows: readonly Row[];
  readonly nic: readonly NicRow[];
  readonly memory: MemoryRow | null;
  readonly latency: LatencyRow | null;
  readonly micro: readonly MicroTable[] | null;
}

export function failed(outcome: Outcome | null): outcome is { readonly error: string } {
  return outcome !== null && 'error' in outcome;
}

export function figures(outcome: Outcome | null): Summary | undefined {
  return outcome === null || 'error' in outcome ? undefined : outcome;
}

export function rowOf(c: Case, ours: Outcome, peer: Outcome | null): Row {
  const [a, b] = [figures(ours), figures(peer)];
  return {
    ...{ id: c.id, frame: c.frame, rings: c.rings.name, guests: c.mode, inFlight: 2 * framesPerDirection(c) },
    ...{ ours, peer },
    ratio:
      a === undefined || b === undefined
        ? null
        : {
            throughput: a.packetsPerSecond / b.packetsPerSecond,
            cycles: a.cyclesPerPacket / b.cyclesPerPacket,
          },
  };
}

export function nicRowOf(c: NicCase, ours: Outcome, peer: Outcome | null): NicRow {
  const [a, b] = [figures(ours), figures(peer)];
  return {
    ...{ id: c.id, direction: c.direction, length: c.length, rings: c.rings.name, ours, peer },
    ratio:
      a === undefined || b === undefined
        ? null
        : {
            throughput: a.packetsPerSecond / b.packetsPerSecond,
            perCore: b.cyclesPerPacket / a.cyclesPerPacket,
          },
  };
}

/** Above this share of time in rounds that moved frames, the switch's core has nothing left to give. */
const saturated = 0.95;
const large = 1500;

/** What keeps a row from being faster: only as much as the figures themselves say. */
export function limitOf({ ours, guests, frame }: Row): string {
  const found = figures(ours);
  if (found === undefined) return '';
  if (found.disturbed) return 'others on these CPUs';
  if (found.busy < saturated) return `the guests' core; the switch's is idle ${((1 - found.busy) * 100).toFixed(0)} %`;
  if (guests === 'csum') return 'moving bytes that the other core has just used';
  return parseInt(frame, 10) >= large ? 'copying' : 'work per frame: rings, checks, lookup';
}

/** Whether any figure of a row comes from windows in which others took CPU time. */
export function isDisturbed({ ours, peer }: Pick<Row, 'ours' | 'peer'>): boolean {
  return [ours, peer].some((outcome) => figures(outcome)?.disturbed === true);
}
