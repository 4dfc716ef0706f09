import type { Clock } from '../../common/clock.js';

/**
 * Lines that somebody outside can cause again and again: each kind is written while it is rare, and summed up once it
 * is not. In the long run all of them together cost less than 100 bytes a second.
 */

/** Lines of one kind at once, and how long it takes until one more may follow. */
const ROOM = 40;
const REFILL_MS = 20_000;
/** Of all kinds together. */
const ROOM_OF_ALL = 2000;
const REFILL_OF_ALL_MS = 2000;
/** Between summaries of one kind. */
const WINDOW_MS = 60_000;
/** Kinds that are told apart; their names come from outside too. */
const MAX_KINDS = 1024;

export interface LogLine {
  readonly text: string;
  /** The line of DPDK's vhost example: nothing may stand before it. */
  readonly verbatim: boolean;
}

export interface Repeatable {
  /** Lines of one kind differ in what does not matter. */
  readonly kind: string;
  readonly line: LogLine;
  /** What a summary counts, where that is not the line itself. */
  readonly subject?: string;
  /** Lines at once, where that is not `ROOM`. */
  readonly room?: number;
}

class Bucket {
  #left: number;
  #since: number;

  constructor(
    private readonly room: number,
    private readonly refillMs: number,
    now: number,
  ) {
    this.#left = room;
    this.#since = now;
  }

  has(now: number): boolean {
    this.#left = Math.min(this.room, this.#left + (now - this.#since) / this.refillMs);
    this.#since = now;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }

  /** As if nothing had ever been taken. */
  isFull(now: number): boolean {
    return this.has(now) && this.#left >= this.room;
  }
}

interface Kind {
  readonly bucket: Bucket;
  subject: string;
  leftOut: number;
  /** When the first of those was. */
  since: number;
}

const thousands = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

export class Repeats {
  readonly #kinds = new Map<string, Kind>();
  readonly #all: Bucket;

  constructor(
    private readonly clock: Clock,
    private readonly write: (line: LogLine) => void,
  ) {
    this.#all = new Bucket(ROOM_OF_ALL, REFILL_OF_ALL_MS, clock.now());
  }

  add({ kind, line, subject = line.text, room = ROOM }: Repeatable): void {
    const now = this.clock.now();
    const known = this.#kindOf(kind, room, now);
    // The smaller bucket first: a kind that is silent anyway takes nothing from the others.
    if (known.leftOut === 0 && known.bucket.has(now) && this.#all.has(now)) {
      known.bucket.take();
      this.#all.take();
      this.write(line);
      return;
    }
    if (known.leftOut++ === 0) known.since = now;
    known.subject = subject;
  }

  /** Every now and then: sums up what was left out a minute ago or longer. */
  tick(): void {
    this.#sumUp(WINDOW_MS);
  }

  /** At the end: sums up all. */
  flush(): void {
    this.#sumUp(0);
  }

  #sumUp(leastMs: number): void {
    const now = this.clock.now();
    for (const [name, kind] of this.#kinds) {
      const ms = now - kind.since;
      if (kind.leftOut === 0) {
        if (kind.bucket.isFull(now)) this.#kinds.delete(name);
      } else if (ms >= leastMs && (leastMs === 0 || this.#all.has(now))) {
        this.#all.take();
        const seconds = Math.max(1, Math.round(ms / 1000));
        this.write({ text: `${kind.subject} (and ${thousands(kind.leftOut)} more in ${seconds} s)`, verbatim: false });
        kind.leftOut = 0;
      }
    }
  }

  #kindOf(wanted: string, room: number, now: number): Kind {
    const name = this.#kinds.has(wanted) || this.#kinds.size < MAX_KINDS ? wanted : 'others';
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const kind = { bucket: new Bucket(room, REFILL_MS, now), subject: '', leftOut: 0, since: 0 };
    this.#kinds.set(name, kind);
    return kind;
  }
}

/** A line without what differs from one time to the next: numbers, addresses. */
export function shapeOf(text: string): string {
  return text.replace(/0x[\da-f]+|\d+/gi, '#').slice(0, 200);
}
