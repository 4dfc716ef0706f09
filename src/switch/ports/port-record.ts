import type { Bridge } from './cuse-bridge.js';
import type { ClaimState } from './claim-rules.js';
import type { Clock } from '../../common/clock.js';
import type { Descriptors } from '../descriptors.js';
import type { Claimant, Transport } from '../model/schema.js';
import type { Settings } from '../config/settings.js';
import type { SocketRecord } from '../run-dir/socket-record.js';
import type { NativeBinding } from '../addon/native.js';
import type { Host } from '../../host/host.js';

/** What the control plane knows of a port; counters and rings are the engine's. */
export interface PortRecord extends ClaimState {
  readonly id: number;
  readonly name: string;
  readonly socket: string;
  readonly queues: number;
  readonly offloads: boolean;
  readonly transports: readonly Transport[];
  /** Name of its device, without /dev/. */
  readonly device: string | undefined;
  /** Of the guest that it is for. */
  readonly mac: string | undefined;
  /** For whom it was handed out last; undefined where that cannot be watched. */
  readonly claimant: Claimant | undefined;
  /** The claimant leaves its connection to a child. */
  readonly forks: boolean;
  readonly vlan: string;
  readonly macLimit: number;
  readonly forwardReserved: boolean;
  /** As configured (owner.ts). */
  readonly owner: string | undefined;
}

export interface PortTableParts {
  readonly host: Host;
  readonly binding: NativeBinding;
  readonly settings: Pick<
    Settings,
    'runDir' | 'mergeable' | 'socketMode' | 'socketGid' | 'devBaseName' | 'vlan' | 'vlanStrip' | 'offloads' | 'vm2vm'
  >;
  readonly bridge: Bridge;
  readonly clock: Clock;
  readonly record: SocketRecord;
  readonly descriptors: Descriptors;
  readonly log: (line: string) => void;
  /** Whether an uplink has this name. */
  readonly isUplink: (name: string) => boolean;
}
