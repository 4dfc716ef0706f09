import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { PartPlan } from './plan-part.js';

export interface ModulesWish {
  readonly modules: readonly ('vfio-pci' | 'cuse' | 'tun')[];
  /** Whether this system runs and shall have them at once. */
  readonly now: boolean;
}

/** Looks, and changes nothing. */
export function planModules(_host: Host, _wish: ModulesWish): Promise<PartPlan> {
  return Promise.reject(new VhostHostError('INTERNAL', 'not written yet'));
}
