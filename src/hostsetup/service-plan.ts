import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import type { PartPlan } from './plan-part.js';

export interface ServiceWish {
  /** Whether the switch is started at every boot. */
  readonly start: boolean;
  /** Group that runs QEMU; by default the one that the switch opens its sockets to. */
  readonly group?: string;
  /** Absolute path of bin/vhost-host. */
  readonly binary: string;
  /** Absolute path of the switch's configuration file. */
  readonly config?: string;
  /** Whether this system runs, and systemd is told at once. */
  readonly now?: boolean;
}

/** Looks, and changes nothing. */
export function planService(_host: Host, _wish: ServiceWish): Promise<PartPlan> {
  return Promise.reject(new VhostHostError('INTERNAL', 'not written yet'));
}
