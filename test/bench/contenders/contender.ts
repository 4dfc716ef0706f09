/** A switch under measurement, ours or another: what the measurement needs to know of it. */

/** Counters since the switch's start. */
export interface SwitchReading {
  /** Milliseconds on this process's clock. */
  readonly at: number;
  /** Cycles of the time stamp counter in rounds that moved frames, and in all rounds. */
  readonly busyCycles: number;
  readonly cycles: number;
  /** Frames that came through. */
  readonly packets: number;
  /** Frames that went in and did not come through, where a measurement overfills the receiver. */
  readonly dropped?: number;
}

export interface Thread {
  readonly pid: number;
  readonly tid: number;
}

export interface Contender {
  readonly name: string;
  /** Of the guests' ports; the switch listens. */
  readonly sockets: readonly string[];
  /** Waits until all guests' drivers are up; the features that the first negotiated. */
  ready(): Promise<readonly string[]>;
  /** The thread that forwards. */
  thread(): Promise<Thread>;
  reading(): Promise<SwitchReading>;
  /** Frames dropped by reason, where the switch tells; for people to read when something is wrong. */
  drops(): Promise<string>;
  /** Halts the whole switch and lets it go on. */
  pause(): void;
  resume(): void;
}

export interface Place {
  readonly switchCpu: number;
  readonly guestCpu: number;
  readonly hugepages: boolean;
}
