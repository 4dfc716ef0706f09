import type { NativePort } from './surface.js';

const EVERY_MS = 60_000;

/**
 * Tells, once a minute at most for each port, of addresses that were not learned because the port has as many as
 * it may: what is sent to those goes to every port.
 */
export class UnlearnedWatch {
  readonly #told = new Map<number, { readonly at: number; readonly count: bigint }>();

  /** now: milliseconds. Return: the ports to tell of, and how often that was since they were told of last. */
  look(ports: readonly NativePort[], now: number): readonly { readonly id: number; readonly times: bigint }[] {
    for (const id of this.#told.keys()) if (!ports.some((port) => port.id === id)) this.#told.delete(id);
    return ports.flatMap(({ id, counters: { unlearned } }) => {
      const last = this.#told.get(id);
      // A port that was removed and made again counts from the start.
      const before = last === undefined || last.count > unlearned ? 0n : last.count;
      if (unlearned === before || (last !== undefined && now - last.at < EVERY_MS)) return [];
      this.#told.set(id, { at: now, count: unlearned });
      return [{ id, times: unlearned - before }];
    });
  }
}
