import type { Claim } from './rewrite.js';

/** Who hands out ports. qemu-wrap talks to the switch through this, so that it can be planned without one. */
export interface Broker {
  /** The socket a claim would get, asked of nobody. */
  predict(claim: Claim): Promise<string>;
  /** Takes the port; throws where the switch cannot give it, or cannot be reached. */
  claim(claim: Claim, belowLibvirt: boolean): Promise<string>;
}
