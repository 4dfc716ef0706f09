import { watchForLeaks } from './leaks.js';
import { Scope } from './scope.js';

/**
 * For a suite: each test gets a scope of its own, which is closed after it, and the host is then as it was before.
 * Return: the running test's scope.
 */
export function freshScope({ skip }: { readonly skip?: () => string | undefined } = {}): () => Scope {
  let scope: Scope | undefined;
  let noLeaks: (() => Promise<void>) | undefined;

  beforeEach(async function () {
    const why = skip?.();
    if (why !== undefined) {
      process.stderr.write(`skipped: ${why}\n`);
      this.skip();
    }
    noLeaks = await watchForLeaks();
    scope = new Scope();
  });

  afterEach(async () => {
    await scope?.close();
    await noLeaks?.();
    scope = noLeaks = undefined;
  });

  return () => {
    if (scope === undefined) throw new Error('no test is running');
    return scope;
  };
}

/** Why a test that makes a mount namespace cannot run. */
export function needsRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'a mount namespace needs root';
}
