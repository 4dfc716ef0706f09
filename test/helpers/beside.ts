import { watchForLeaks } from './leaks.js';
import { recipeGuest } from './host/recipe.js';
import type { RecipeOptions } from './host/recipe.js';
import type { GuestOptions } from './guests/guest.js';
import type { Scope } from './scope.js';
import { Switch } from './switch.js';

/** For tests of test/guests, which run beside others: they take none of this machine's hugepages, and count none. */

export const watchBeside = (): Promise<() => Promise<void>> => watchForLeaks({ pages: false });

/** `runDir`: of one that was killed. */
export const switchBeside = (scope: Scope, runDir?: string): Promise<Switch> =>
  Switch.start(scope, { args: ['--hugepages', 'off'], ...(runDir === undefined ? {} : { runDir }) });

export function guestBeside(options: RecipeOptions): GuestOptions {
  const { env, ...guest } = recipeGuest(options);
  return { ...guest, env: { ...env, VHOST_HOST_WRAP_HUGEPAGES: 'off' } };
}
