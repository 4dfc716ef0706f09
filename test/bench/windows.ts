import type { Contender, Place, SwitchReading, Thread } from './contenders/contender.js';
import { activity, foreignShare } from './disturbance.js';
import type { Activity } from './disturbance.js';
import type { GuestCounter, GuestReading } from './guests.js';

/** What one window of time showed. */
export interface Sample {
  /** Frames and bits per second that came through, by the guests' count. */
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
  readonly cyclesPerPacket: number;
  /** Share of the switch's time in rounds that moved a frame. */
  readonly busy: number;
  /** Share of the frames taken by the switch that it could not deliver. */
  readonly dropped: number;
  /** Share of the worse off CPU that others took. */
  readonly foreign: number;
}

export interface Moment {
  readonly vswitch: SwitchReading;
  readonly guests: GuestReading;
  readonly activity: Activity;
}

export interface Pace {
  /** Clean windows wanted, and their length. */
  readonly windows: number;
  readonly seconds: number;
}

/** Above this share of CPU time for others, a window says more about them than about the switch. */
export const foreignLimit = 0.05;
/** Windows are tried so many times the number that is wanted; after that the disturbed ones have to do. */
const patience = 4;
const warmUpSeconds = 0.5;

/** A timer, since a rate is what is measured; nothing is waited for by it. */
function passTime(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** What lies between two moments; undefined where one of the threads got nowhere because others had its CPU. */
export function sampleOf(from: Moment, to: Moment): Sample | undefined {
  const seconds = (to.guests.at - from.guests.at) / 1000;
  const packets = to.vswitch.packets - from.vswitch.packets;
  const received = to.guests.packets - from.guests.packets;
  const busyCycles = to.vswitch.busyCycles - from.vswitch.busyCycles;
  const dropped = (to.vswitch.dropped ?? 0) - (from.vswitch.dropped ?? 0);
  const foreign = foreignShare(from.activity, to.activity);
  if (packets <= 0 || received <= 0) {
    if (foreign > foreignLimit) return undefined;
    throw new Error(`${received} frames at the guests and ${packets} at the switch in ${seconds.toFixed(1)} s`);
  }
  return {
    packetsPerSecond: received / seconds,
    bitsPerSecond: ((to.guests.bytes - from.guests.bytes) * 8) / seconds,
    cyclesPerPacket: busyCycles / packets,
    busy: busyCycles / (to.vswitch.cycles - from.vswitch.cycles),
    // The two ends are read one after the other: a little less than nothing is nothing.
    dropped: Math.max(0, dropped) / (packets + Math.max(0, dropped)),
    foreign,
  };
}

/** Warms up, then takes windows one after the other until enough of them were clean or patience is at its end. */
export async function takeWindows(
  contender: Pick<Contender, 'thread' | 'reading'>,
  guests: GuestCounter,
  place: Place,
  pace: Pace,
): Promise<readonly Sample[]> {
  const threads: Thread[] = [await contender.thread(), await guests.thread()];
  const moment = async (): Promise<Moment> => ({
    activity: await activity(threads, [place.switchCpu, place.guestCpu]),
    vswitch: await contender.reading(),
    guests: await guests.reading(),
  });
  await passTime(warmUpSeconds);
  const samples: Sample[] = [];
  let clean = 0;
  const start = await moment();
  let from = start;
  for (let taken = 0; clean < pace.windows && taken < pace.windows * patience; taken++) {
    await passTime(pace.seconds);
    const to = await moment();
    const sample = sampleOf(from, to);
    if (sample !== undefined) samples.push(sample);
    if (sample !== undefined && sample.foreign <= foreignLimit) clean++;
    from = to;
  }
  if (samples.length === 0) {
    const share = foreignShare(start.activity, from.activity);
    throw new Error(`no frame came through; others had ${(share * 100).toFixed(0)} % of a CPU`);
  }
  return samples;
}
