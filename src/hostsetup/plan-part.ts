import type { Step } from '../steps.js';

/** What one part of `vhost-host setup` has to do. */
export interface PartPlan {
  /** In the order in which they are done; those with nothing left to do have no actions. */
  readonly steps: readonly Step[];
  /** What the user should know besides, a line each; a snippet for systems that are not ours to edit has several. */
  readonly notes: readonly string[];
}
