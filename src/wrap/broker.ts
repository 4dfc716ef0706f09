import type { Claim } from './endpoint.js';

import type { Way } from './endpoint.js';

/** Who hands out ports. qemu-wrap talks to the switch through this, so that it can be planned without one. */
export interface Broker {
  /** The way that a claim would get, asked of nobody; descriptors that nobody has opened read `FD`. */
  predict(claim: Claim): Promise<Way>;
  /** Takes the port; throws where the switch cannot give it, or cannot be reached. */
  claim(claim: Claim, belowLibvirt: boolean): Promise<Way>;
}
