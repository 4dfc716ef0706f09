import { messageOf, printable } from './errors.js';

interface Entry {
  readonly what: string;
  readonly undo: () => unknown;
}

/** Undo steps, run last first and each once. One that fails is reported and does not keep the others from running. */
export class Unwind {
  readonly #entries: Entry[] = [];
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  push(what: string, undo: () => unknown): void {
    this.#entries.push({ what, undo });
  }

  async run(): Promise<void> {
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await entry.undo();
      } catch (error) {
        this.#log(`taking down ${entry.what} failed: ${printable(messageOf(error))}`);
      }
    }
  }
}
