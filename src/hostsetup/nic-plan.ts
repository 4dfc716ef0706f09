import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { PartPlan } from './plan-part.js';

export interface NicWish {
  /** Its PCI address, such as `0000:03:00.0`. */
  readonly address: string;
  readonly driver: 'vfio-pci' | 'uio_pci_generic';
  /** Also a card that the host itself uses. */
  readonly force?: boolean;
  /** Whether this system runs and the card shall change hands at once. */
  readonly now: boolean;
}

/** Looks, and changes nothing. */
export function planNic(_host: Host, _wish: NicWish): Promise<PartPlan> {
  return Promise.reject(new VhostHostError('INTERNAL', 'not written yet'));
}
