import type { Claim } from './rewrite.js';

/** How a netdev reaches its port: by the port's socket, or by a device in front of it. */
export type Way =
  | { readonly socket: string }
  /** `fds`: open descriptors of the device, one per queue pair, as `-netdev` lists them. */
  | { readonly device: string; readonly fds: string };

/** Who hands out ports. qemu-wrap talks to the switch through this, so that it can be planned without one. */
export interface Broker {
  /** The way that a claim would get, asked of nobody; descriptors that nobody has opened read `FD`. */
  predict(claim: Claim): Promise<Way>;
  /** Takes the port; throws where the switch cannot give it, or cannot be reached. */
  claim(claim: Claim, belowLibvirt: boolean): Promise<Way>;
}
