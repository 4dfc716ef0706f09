/** Work that must not overlap, done in the order in which it was asked for. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    // The next one's turn comes also after a failure, which is the asker's to hear about.
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything that was asked for is through. */
  async settled(): Promise<void> {
    await this.#last;
  }
}
