/** Time as the daemon sees it; tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds from some start; never goes back, whatever happens to the wall clock. */
  now(): number;
  /** Calls `work` again and again; the result ends that. */
  every(ms: number, work: () => void): () => void;
}

export const monotonicClock: Clock = {
  now: () => performance.now(),
  every(ms, work) {
    const timer = setInterval(work, ms);
    return () => clearInterval(timer);
  },
};
