import type { VM2VM_MODES } from './config.js';
import type { UplinkAdd } from '../model/schema.js';
import type { Transport } from '../model/schema.js';

export interface PortSpec {
  readonly name: string;
  readonly socket?: string | undefined;
  readonly queues?: number | undefined;
  readonly offloads?: boolean | undefined;
  readonly transports?: readonly Transport[] | undefined;
  readonly devIndex?: number | undefined;
  readonly mac?: string | undefined;
  readonly vlan?: string | undefined;
  readonly macLimit?: number | undefined;
  readonly forwardReserved?: boolean | undefined;
  readonly owner?: string | undefined;
}

export type UplinkSpec = UplinkAdd;

/** Everything a switch starts with, after defaults < file < flags. */
export interface Settings extends ZeroCopy {
  readonly configFile: string | null;
  readonly runDir: string;
  /** A CPU per worker, -1 for one that is not pinned. */
  readonly workers: readonly number[];
  readonly poll: 'adaptive' | 'busy';
  readonly mergeable: boolean;
  /** 0: a frame for a full guest is dropped at once. */
  readonly rxRetryNum: number;
  readonly rxRetryDelayUs: number;
  readonly macAgeing: number;
  readonly memoryMb: number;
  readonly hugepages: 'auto' | 'on' | 'off';
  readonly socketMode: number;
  /** -1: the group of the process. */
  readonly socketGid: number;
  /** The group that may claim ports through wrap.sock; -1: nobody but the owner. */
  readonly claimGid: number;
  /** /dev/<devBaseName>-N. */
  readonly devBaseName: string;
  readonly ports: readonly PortSpec[];
  readonly uplinks: readonly UplinkSpec[];
  /** VLAN mode of ports that have none of their own. */
  readonly vlan: string;
  readonly vlanStrip: boolean;
  readonly vm2vm: (typeof VM2VM_MODES)[number];
  /** Whether ports offer offloads that do not say. */
  readonly offloads: boolean;
  /** Seconds between tables of what was counted, in the log; 0: none. */
  readonly stats: number;
  /** Of this machine's memory, for DPDK to spread packet buffers over; undefined: as DPDK guesses. */
  readonly memoryChannels: number | undefined;
  readonly logLevel: number;
  /** Bytes of the log before it makes way for a new one, and old ones that stay. */
  readonly logMaxBytes: number;
  readonly logFiles: number;
}

/** What the command line sets; wins over the file. */
export interface Flags {
  readonly runDir?: string | undefined;
  readonly workers?: readonly number[] | undefined;
  readonly poll?: Settings['poll'] | undefined;
  readonly hugepages?: Settings['hugepages'] | undefined;
  readonly mergeable?: boolean | undefined;
  readonly rxRetry?: boolean | undefined;
  readonly rxRetryNum?: number | undefined;
  readonly rxRetryDelay?: number | undefined;
  readonly devBaseName?: string | undefined;
  readonly uplink?: readonly UplinkSpec[] | undefined;
  readonly vlan?: string | undefined;
  readonly vlanStrip?: boolean | undefined;
  readonly vm2vm?: Settings['vm2vm'] | undefined;
  readonly zeroCopy?: boolean | undefined;
  readonly rxDescNum?: number | undefined;
  readonly txDescNum?: number | undefined;
  readonly offloads?: boolean | undefined;
  readonly stats?: number | undefined;
  readonly memoryMb?: number | undefined;
  readonly memoryChannels?: number | undefined;
  /** Beside those of the file. */
  readonly ports?: readonly PortSpec[] | undefined;
}

/** Zero copy: uplinks send guests' frames from guests' memory. --zero-copy and its descriptor counts. */
export interface ZeroCopy {
  readonly zeroCopy: boolean;
  /** Descriptors of each receive and transmit queue of an uplink; with zero copy only. */
  readonly rxDescriptors: number;
  readonly txDescriptors: number;
}
