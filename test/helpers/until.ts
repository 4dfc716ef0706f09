/**
 * Deadlines are written down for a machine of its own. Neighbours take time, and a quota of CPU time may (.ci/test.mjs
 * tells how much); a deadline only has to end what would never end.
 */
const PATIENCE = 2 * Number(process.env.VHOST_HOST_TEST_SLOWDOWN ?? 1);

export interface Wait {
  /** Milliseconds from now after which waiting fails, on a machine of its own. */
  readonly deadline: number;
  /** What is being waited for, as it should read in "gave up waiting for …". */
  readonly what: string;
}

const POLL_MS = 10;

/**
 * Waits until `condition` gives something other than `undefined` or `false`, and returns that. A condition that
 * throws ends the wait with its error: that is how it says that waiting on is useless.
 */
export async function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  { deadline: own, what }: Wait,
): Promise<T> {
  const deadline = own * PATIENCE;
  const end = performance.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`gave up waiting for ${what} after ${deadline / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Fails when `work` takes longer; `work` itself goes on. */
export async function within<T>(work: Promise<T>, { deadline: own, what }: Wait): Promise<T> {
  const deadline = own * PATIENCE;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`gave up waiting for ${what} after ${deadline / 1000} s`)), deadline);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
