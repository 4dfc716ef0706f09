import { VhostHostError } from '../../common/errors.js';
import { describeError } from '../../common/output.js';
import type { ApiError } from '../../switch/model/schema.js';

/**
 * What a check came to, or that a part of a set-up is left to the user; thrown after it was told, because it is no
 * failure of the command.
 */
export class Verdict extends Error {
  readonly level: 'error' | 'warning';

  constructor(level: 'error' | 'warning') {
    super(`found ${level}s`);
    this.level = level;
  }
}

/** The one place that decides the exit code: 0 done, 1 failed or not all done, 2 asked for wrongly; of checks, 1 warnings, 2 errors. */
export function exitCodeOf(error: unknown): number {
  if (error === undefined) return 0;
  if (error instanceof Verdict) return error.level === 'error' ? 2 : 1;
  return error instanceof VhostHostError && error.code === 'USAGE' ? 2 : 1;
}

/** An error as the one object of `--json`; the same shape as the API's. */
export function errorObject(error: unknown): ApiError {
  const { line, hint } = describeError(error);
  const code = error instanceof VhostHostError ? error.code : 'INTERNAL';
  return { error: { code, message: line, ...(hint === undefined ? {} : { hint }) } };
}
