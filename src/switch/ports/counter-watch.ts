import type { NativePort } from '../addon/native.js';

const EVERY_MS = 60_000;

/**
 * Tells, once a minute at most for each port, that a counter has grown that a guest makes grow: addresses that were not
 * learned because the port has as many as it may, interrupts that are too dear for a worker.
 */
export class CounterWatch {
  readonly #counter: 'unlearned' | 'interruptsApart';
  readonly #told = new Map<number, { readonly at: number; readonly count: bigint }>();

  constructor(counter: 'unlearned' | 'interruptsApart') {
    this.#counter = counter;
  }

  /** now: milliseconds. Return: the ports to tell of, and how often that was since they were told of last. */
  look(ports: readonly NativePort[], now: number): readonly { readonly id: number; readonly times: bigint }[] {
    for (const id of this.#told.keys()) if (!ports.some((port) => port.id === id)) this.#told.delete(id);
    return ports.flatMap(({ id, counters }) => {
      const count = counters[this.#counter];
      const last = this.#told.get(id);
      // A port that was removed and made again counts from the start.
      const before = last === undefined || last.count > count ? 0n : last.count;
      if (count === before || (last !== undefined && now - last.at < EVERY_MS)) return [];
      this.#told.set(id, { at: now, count });
      return [{ id, times: count - before }];
    });
  }
}
