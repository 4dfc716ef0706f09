import type { Step } from './steps.js';

/** What somebody has to do, where nothing may be edited. */
export interface ByHand {
  readonly reason: string;
  /** What to add, and where; of several lines. */
  readonly snippet: string;
}

/** What one part of `vhost-host setup` has to do. */
export interface PartPlan {
  /** In the order in which they are done; those with nothing left to do have no actions. */
  readonly steps: readonly Step[];
  /** What the user should know besides, a line each; a snippet for systems that are not ours to edit has several. */
  readonly notes: readonly string[];
  /** The rest of the part, which is up to the user: until it is done, the part is not. */
  readonly byHand?: readonly ByHand[];
}
