import type { Domain } from '../domain/domain.js';
import type { CheckFacts } from './facts.js';

export type Level = 'error' | 'warning';

export interface Finding {
  readonly level: Level;
  /** The element that it is about. */
  readonly element: string;
  readonly reason: string;
  /** The command or edit that fixes it. */
  readonly fix: string;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  /** Its errors keep a guest on our switch from starting, or from ever being reached: no use in starting it. */
  readonly stopsStart?: true;
  run(domain: Domain, facts: CheckFacts): readonly Finding[];
}
