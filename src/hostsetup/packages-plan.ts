import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { PartPlan } from './plan-part.js';

/** What the host shall be able to do, in this project's own words. */
export type Need = 'qemu' | 'libvirt' | 'cuse' | 'driverctl' | 'fuse3' | 'numactl';

export interface PackageWish {
  readonly needs: readonly Need[];
}

/** Looks, and changes nothing. */
export function planPackages(_host: Host, _wish: PackageWish): Promise<PartPlan> {
  return Promise.reject(new VhostHostError('INTERNAL', 'not written yet'));
}
