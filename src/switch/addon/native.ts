/**
 * The native addon's surface: what `native/addon` exports, in one place. Limits and drop reasons
 * are exported by the addon from the C headers; nothing here retypes them.
 *
 * Ownership: all calls are made from the Node main thread. Workers and librte_vhost's thread hand
 * events back through one bounded, coalescing queue; what does not fit is counted in `lost`.
 */

export interface NativeLimits {
  readonly maxPorts: number;
  readonly maxUplinks: number;
  /** Port numbers from here on are uplinks'. */
  readonly firstUplinkId: number;
  readonly maxQueuePairs: number;
  readonly maxUplinkQueues: number;
  readonly maxWorkers: number;
  /** VMDq pools for guests that a card is used with. */
  readonly maxPools: number;
  /** Device numbers below this have tags that every card with VMDq can tell apart. */
  readonly poolTags: number;
  /** Bytes of a UNIX socket path without its terminating zero (`sun_path`). */
  readonly maxSocketPath: number;
}

export interface EngineOptions {
  /** One worker thread per element: a CPU number to pin it to, or -1 for "wherever the scheduler likes". */
  readonly workers: readonly number[];
  /** Use hugepages for DPDK's own memory. The caller has checked that there are free ones. */
  readonly hugepages: boolean;
  /** Cards are told physical addresses; needs hugepages. */
  readonly physicalAddresses: boolean;
  /** MiB for DPDK's own memory. */
  readonly memoryMb: number;
  /** Of this machine, for DPDK's spreading of packet buffers; 0: as DPDK guesses. */
  readonly memoryChannels: number;
  /** Front ends get descriptors below this number; the rest is for the switch itself. */
  readonly frontEndDescriptors: number;
  /** DPDK log level, 1 (emergency) to 8 (debug). */
  readonly logLevel: number;
  /** Idle workers sleep on the guests' kicks (`adaptive`) or never (`busy`). */
  readonly poll: 'adaptive' | 'busy';
  /** Tries after the first to deliver to a guest whose receive ring is full; 0 drops at once. */
  readonly rxRetryNum: number;
  /** Microseconds between them. */
  readonly rxRetryDelayUs: number;
  /** Guests reach each other by way of the uplinks only (`--vm2vm 0`). */
  readonly isolate: boolean;
  /** Uplinks send guests' frames from guests' memory (`--zero-copy 1`), with so many descriptors for each queue. */
  readonly zeroCopy: boolean;
  readonly rxDescriptors: number;
  readonly txDescriptors: number;
}

export interface EngineInfo {
  /** e.g. `DPDK 22.11.11`. */
  readonly dpdkVersion: string;
  /** Which build of the data path runs, e.g. `x86-64-v3`. */
  readonly instructionSet: string;
  readonly hugepages: boolean;
}

export interface NativePortOptions {
  readonly name: string;
  readonly socketPath: string;
  /** The file for positions of packed rings, in the run directory. */
  readonly recordsPath: string;
  readonly queuePairs: number;
  /** Offer mergeable receive buffers. */
  readonly mergeable: boolean;
  /** Offer checksum and TCP segmentation offloads (csum, tso4, tso6, ecn), in both directions. */
  readonly offloads: boolean;
  /** Mode bits of the socket, set before it accepts connections. */
  readonly socketMode: number;
  /** Group of the socket, or -1 to leave it. */
  readonly socketGid: number;
  readonly vlanMode: 'none' | 'auto' | 'access' | 'trunk';
  /** `access`: the one VLAN; `trunk`: those that the guest may use, 0 for untagged frames; else `[0]`. */
  readonly vlans: readonly number[];
  /** `auto`: frames from uplinks keep their tag (`--vlan-strip 0`). */
  readonly keepTag: boolean;
  /** Forward what the guest sends to 01:80:c2:00:00:00 to 0f, which bridges keep to themselves (802.1Q, 8.6.3). */
  readonly forwardReserved: boolean;
  /** Addresses that are learned of it at a time. */
  readonly macLimit: number;
  readonly owner: NativeOwner;
}

/** Who may connect to a port, of those who may open its socket (native/dpdk/proxy/port_owner.h). */
export interface NativeOwner {
  /** The process that it was handed out to, and when that began in clock ticks since boot; 0: nobody. */
  readonly pid: number;
  readonly started: number;
  /** Nobody else once that has ended; else the two below count then. */
  readonly only: boolean;
  /** -1: any. */
  readonly uid: number;
  /** A file that holds the number of the process; empty: none. */
  readonly pidFile: string;
  /** A device is in front of the port, whose bridge may connect. */
  readonly bridged: boolean;
}

export interface NativeUplinkOptions {
  readonly name: string;
  /** DPDK's name of the device, with its arguments: `0000:03:00.0`, `net_af_packet0,iface=eth1`. */
  readonly device: string;
  /** Receive queues. */
  readonly queues: number;
  /** 0: as the device has it. */
  readonly mtu: number;
  /** Packet buffers; 0: as many as its rings and the workers need. */
  readonly buffers: number;
  /** Frames for addresses that nobody is known to have go to all guests, instead of nowhere. */
  readonly floodUnknownUnicast: boolean;
  /** As of a guest's port, for what comes from the network. */
  readonly forwardReserved: boolean;
  /** Use VMDq where the device has it, for so many guests at most; 0: not at all. */
  readonly pools: number;
  /** The device switches between guests (`--vm2vm 2`), or is refused. */
  readonly loops: boolean;
}

/** Guest-relative names: `tx` is what the guest sent, `rx` what it was given. */
export interface NativeCounters {
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  /** Kicks the switch sent to the guest (writes to a call eventfd). */
  readonly interrupts: bigint;
  /** How many writes a thread of its own has made, because they are too dear for a worker. */
  readonly interruptsApart: bigint;
  /** How often an address was not learned, because the port has as many as it may. */
  readonly unlearned: bigint;
  /** By drop reason, every reason of `dropReasons` present. */
  readonly drops: Readonly<Record<string, bigint>>;
}

export interface NativeQueue {
  /** Virtqueue index: even = the guest receives, odd = the guest transmits. */
  readonly index: number;
  readonly size: number;
  readonly live: boolean;
  /** The worker that polls it (transmit queues only), or -1. */
  readonly worker: number;
}

export interface NativePort {
  /** Device number, as in `DATA: (0) …`: the lowest one free when the port was made. */
  readonly id: number;
  readonly name: string;
  readonly socketPath: string;
  readonly queuePairs: number;
  /** A front end is connected to the socket. */
  readonly connected: boolean;
  /** At least one ring each way is live. */
  readonly ready: boolean;
  /** The first thing that is missing before its guest has a network (native/dpdk/vhost/port_lack.h), or `nothing`; in words. */
  readonly lack: string;
  readonly lackText: string;
  /** Negotiated virtio feature bits. */
  readonly features: bigint;
  readonly memoryBytes: bigint;
  readonly queues: readonly NativeQueue[];
  readonly counters: NativeCounters;
}

export interface NativeUplink {
  readonly id: number;
  readonly name: string;
  readonly device: string;
  /** DPDK's driver, e.g. `net_ixgbe`. */
  readonly driver: string;
  readonly state: 'up' | 'down' | 'gone';
  readonly mac: string;
  /** 0: unknown. */
  readonly speedMbps: number;
  readonly mtu: number;
  /** What the device does itself: `tx-csum`, `tso`, `vlan-insert`, `rx-csum`. */
  readonly offloads: readonly string[];
  /** What the user has to know of the kernel's interface behind it; empty: nothing. */
  readonly remark: string;
  /** The worker of each receive queue. */
  readonly workers: readonly number[];
  readonly buffers: number;
  readonly buffersFree: number;
  /** VMDq: device numbers below this have a pool each; 0: all is sorted in software. */
  readonly pools: number;
  /** Those that a guest has, with its device number and address. */
  readonly poolsTaken: readonly { readonly pool: number; readonly port: number; readonly mac: string }[];
  /** Frames are sent from guests' memory; how many were so far, and how many a card has put there. */
  readonly zeroCopy: boolean;
  readonly zeroCopied: bigint;
  readonly zeroCopiedIn: bigint;
  /** What the device itself has counted. */
  readonly deviceCounters: Readonly<Record<'rxMissed' | 'rxErrors' | 'rxNoBuffer' | 'txErrors', bigint>>;
  /** As a guest's: `tx` came from the network, `rx` went out to it. */
  readonly counters: NativeCounters;
}

export interface NativeMac {
  readonly mac: string;
  readonly vlan: number;
  readonly port: number;
  readonly ageSeconds: number;
}

export interface NativeWorker {
  readonly id: number;
  /** CPU it is pinned to, or -1. */
  readonly cpu: number;
  /** Kernel thread id. */
  readonly tid: number;
  readonly queues: number;
  /** Since start: all cycles, and those spent in rounds that moved at least one frame (time stamp counter). */
  readonly cycles: bigint;
  readonly busyCycles: bigint;
  readonly packets: bigint;
  readonly sleeps: bigint;
}

export type EngineEvent =
  | { readonly type: 'connected'; readonly port: number }
  | { readonly type: 'disconnected'; readonly port: number }
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'stopped'; readonly port: number }
  | { readonly type: 'learned' | 'moved'; readonly port: number; readonly mac: string; readonly vlan: number }
  /** The front end's message or memory was refused; `text` says which and why. */
  | { readonly type: 'rejected'; readonly port: number; readonly text: string }
  | { readonly type: 'log'; readonly level: number; readonly text: string }
  | { readonly type: 'lost'; readonly count: number };

export interface NativeBinding {
  readonly limits: NativeLimits;
  readonly dropReasons: readonly string[];

  /**
   * Takes an exclusive advisory lock on `path` (flock(2)), made with mode 0600 where missing. The kernel drops it
   * when the process ends, however it ends. Returns a descriptor, or -1 when somebody else holds it.
   */
  lock(path: string): number;
  /** The same on a directory itself, which has to be there. */
  lockDirectory(path: string): number;
  unlock(fd: number): void;
  /** From here on stdout and stderr append to this file, made where missing. */
  logTo(path: string): void;

  /**
   * Takes from this process what a switch never needs (native/dpdk/runtime/sandbox.h), for good and before start(). Throws where
   * the kernel cannot do it.
   */
  confine(): void;
  /** Starts EAL and the workers; once per process, a second call throws. */
  start(options: EngineOptions, onEvents: (events: EngineEvent[]) => void): EngineInfo;
  /** Removes all ports and ends the workers. EAL itself stays until the process ends. */
  stop(): void;

  /** Returns the device number. Throws with `code` EEXIST, ENOSPC, EADDRINUSE or another errno name. */
  addPort(options: NativePortOptions): number;
  removePort(id: number): void;
  /** The port is somebody's from now on; a front end that is not his loses its connection. */
  own(options: { readonly id: number; readonly owner: NativeOwner }): void;
  /** Makes the port's socket anew where its name is gone; who is connected stays. Throws with `code`, as addPort(). */
  listenAgain(id: number): void;
  ports(): NativePort[];
  /** Attaches and starts a device; returns its port number. Throws with `code` EEXIST, ENOSPC, ENODEV, … */
  addUplink(options: NativeUplinkOptions): number;
  removeUplink(id: number): void;
  /** Also notices which devices have gone: those are left alone from then on. */
  uplinks(): NativeUplink[];
  /**
   * Gives guests the VMDq pools of cards that have such, and takes them back from guests that have gone; ends what
   * memory guests have left on loan to a card.
   */
  tendPools(): void;
  /** Gives back what drivers send on queues that they have disabled; once a second. */
  drain(): void;
  macs(): NativeMac[];
  /** Forgets addresses not seen for `seconds`; returns how many. */
  ageMacs(seconds: number): number;
  workers(): NativeWorker[];
  /** Spreads the transmit queues over the workers anew, those that guests use first; returns how many moved. */
  rebalance(): number;
}
