import type { Measured } from '../measure.js';
import { foreignLimit } from '../windows.js';
import type { Sample } from '../windows.js';

/** What one switch did in one row, over all rounds. */
export interface Summary {
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
  readonly cyclesPerPacket: number;
  readonly busy: number;
  readonly dropped: number;
  readonly foreign: number;
  readonly features: readonly string[];
  readonly guestPaths: readonly string[];
  readonly lostByGuests: number;
  readonly lostBySwitch: number;
  /** Windows that counted, and those thrown away because others took CPU time. */
  readonly windows: number;
  readonly discarded: number;
  /** No window was clean: the figures come from disturbed ones. */
  readonly disturbed: boolean;
}

export type Outcome = Summary | { readonly error: string };

/** A quantile by linear interpolation; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const low = sorted[Math.floor(place)] ?? NaN;
  const high = sorted[Math.ceil(place)] ?? NaN;
  return low + (high - low) * (place - Math.floor(place));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Where nothing is clean: the better quarter of it. */
function leastDisturbed(samples: readonly Sample[]): readonly Sample[] {
  return [...samples].sort((a, b) => a.foreign - b.foreign).slice(0, Math.ceil(samples.length / 4));
}

/**
 * Rates are medians. Cycles per packet are a lower quartile: a thread that is kept from its CPU in the middle of a round
 * counts the time as busy, so disturbance only ever adds to them.
 */
export function summarize(rounds: readonly Measured[]): Summary {
  const all = rounds.flatMap(({ samples }) => samples);
  const clean = all.filter(({ foreign }) => foreign <= foreignLimit);
  const counted = clean.length > 0 ? clean : leastDisturbed(all);
  const of = (pick: (sample: Sample) => number): number[] => counted.map(pick);
  const sum = (pick: (measured: Measured) => number): number => rounds.map(pick).reduce((a, b) => a + b, 0);
  return {
    packetsPerSecond: median(of((sample) => sample.packetsPerSecond)),
    bitsPerSecond: median(of((sample) => sample.bitsPerSecond)),
    cyclesPerPacket: quantile(
      of((sample) => sample.cyclesPerPacket),
      0.25,
    ),
    busy: median(of((sample) => sample.busy)),
    dropped: median(of((sample) => sample.dropped)),
    foreign: median(of((sample) => sample.foreign)),
    features: rounds[0]?.features ?? [],
    guestPaths: rounds[0]?.guestPaths ?? [],
    lostByGuests: sum((measured) => measured.lostByGuests),
    lostBySwitch: sum((measured) => measured.lostBySwitch),
    windows: counted.length,
    discarded: all.length - counted.length,
    disturbed: clean.length === 0,
  };
}
