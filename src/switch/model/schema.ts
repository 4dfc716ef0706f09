import * as z from 'zod';
import { OwnerText } from './owner-text.js';
import { VlanText } from './vlan.js';

/** Shapes of the control API (REST over a UNIX socket, JSON); both the daemon and the client check against them. */

/** Port names appear in file names, logs and URLs: letters, digits, `.`, `_`, `-`; not starting with `.` or `-`. */
export const PortName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/, 'a port name has 1 to 63 letters, digits, ".", "_" or "-"');

/** How a guest reaches its port: by the port's socket, or by a device /dev/<basename>-N in front of it. */
export const Transport = z.enum(['user', 'cuse']);
export type Transport = z.infer<typeof Transport>;

export const Transports = z
  .array(Transport)
  .min(1, 'names at least one of "user" and "cuse"')
  .refine((list) => new Set(list).size === list.length, 'names one twice');

/** N of the device /dev/<basename>-N. */
export const DevIndex = z.number().int().min(0).max(999_999);

/** The guest's address, by which qemu-wrap finds its port whatever the guest is called. */
export const GuestMac = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/, 'must be the address of one network card, such as 52:54:00:12:34:56');

/** Of the 16384 addresses that the table holds. */
export const MacLimit = z.number().int().min(1).max(16_384);
export const DEFAULT_MAC_LIMIT = 2048;

export const Mtu = z.number().int().min(68).max(9978);

const Count = z.number().int().nonnegative();

export const Counters = z.strictObject({
  txPackets: Count,
  txBytes: Count,
  rxPackets: Count,
  rxBytes: Count,
  interrupts: Count,
  /** How many of them went by a thread of their own, merged and spaced, because waking the guest is too dear. */
  interruptsApart: Count,
  /** How often an address was not learned, because the port has as many as it may (`macLimit`). */
  unlearned: Count,
  /** By the names of drop-reasons.ts. */
  drops: z.record(z.string(), Count).describe('frames by drop reason; GET /v1/drops says what each means'),
});
export type Counters = z.infer<typeof Counters>;

export const Queue = z.strictObject({ index: Count, size: Count, live: z.boolean(), worker: z.number().int() });

/** `reason` is for programs and stays (docs/troubleshooting.md lists them); `hint`: what fixes it, where that is known. */
export const Missing = z.strictObject({ reason: z.string(), text: z.string(), hint: z.string().nullable() });
export type Missing = z.infer<typeof Missing>;

export const Port = z.strictObject({
  /** Device number. */
  id: Count,
  name: PortName,
  socket: z.string(),
  /** Queue pairs that it offers, and how many of them its guest uses now. */
  queues: Count,
  queuesInUse: Count,
  /** Guests may leave checksums and TCP segmentation to the switch; `features` says what the guest took. */
  offloads: z.boolean(),
  transports: Transports,
  /** Path of the port's device; null where it has none. */
  device: z.string().nullable(),
  /** The address of the guest that it is for; null: a guest finds it by its name. */
  mac: z.string().nullable(),
  /** `config`: named in the configuration file; `api`: added by hand; `claim`: handed out to a guest by qemu-wrap. */
  origin: z.enum(['config', 'api', 'claim']),
  state: z.enum(['waiting', 'connected', 'ready']),
  /** The first thing that is missing before its guest has a network; null: nothing. */
  missing: Missing.nullable(),
  /** 1000 + device number, as in DPDK's vhost example. */
  vlanTag: Count,
  /** VLAN mode, as in the configuration. */
  vlan: VlanText,
  /** Addresses that are learned of the guest at a time. */
  macLimit: Count,
  /** What it sends to 01:80:c2:00:00:00 to 0f is forwarded, which a bridge keeps to itself. */
  forwardReserved: z.boolean(),
  /** Whose processes may connect, as in the configuration; null: everybody's who may open the socket. */
  owner: z.string().nullable(),
  /** Negotiated virtio features by name, e.g. `mrg_rxbuf`. */
  features: z.array(z.string()),
  memoryBytes: Count,
  rings: z.array(Queue),
  macs: z.array(z.string()),
  /** By uplink with VMDq: the card's pool for frames to this guest; null: these are sorted in software. */
  pools: z.array(z.strictObject({ uplink: PortName, pool: Count.nullable() })),
});
export type Port = z.infer<typeof Port>;

export const PortAdd = z.strictObject({
  name: PortName,
  socket: z.string().min(1).optional(),
  queues: z.number().int().min(1).optional(),
  offloads: z.boolean().optional(),
  transports: Transports.optional(),
  devIndex: DevIndex.optional(),
  mac: GuestMac.optional(),
  vlan: VlanText.optional(),
  macLimit: MacLimit.optional(),
  forwardReserved: z.boolean().optional(),
  owner: OwnerText.optional(),
});
export type PortAdd = z.infer<typeof PortAdd>;

/** A process: by its id alone it could be another one that came after it. */
export const Claimant = z.strictObject({
  /** Up to PID_MAX_LIMIT of linux/threads.h. */
  pid: z.number().int().min(1).max(4_194_304),
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  started: z.number().int().min(0),
});
export type Claimant = z.infer<typeof Claimant>;

/**
 * A guest's netdev asks for its port. The same guest and netdev get the same port again once it is free;
 * `exact: false` (unnamed guests) allows a numbered sibling when the first is taken.
 */
export const PortClaim = z.strictObject({
  name: PortName,
  queues: z.number().int().min(1),
  exact: z.boolean(),
  /** A port that is for this address comes before the one of that name. */
  mac: GuestMac.optional(),
  /** What a port that is made now shall have; one that is there has what it has. */
  transport: Transport.optional(),
  /** Becomes QEMU. With its end the claim ends, where the switch can see it; a claim without one ends by time alone. */
  claimant: Claimant.optional(),
  /** It goes to the background (`-daemonize`): the process that connects is a child of it. */
  forks: z.boolean().optional(),
});
export type PortClaim = z.infer<typeof PortClaim>;

export const UNKNOWN_UNICAST = ['drop', 'flood'] as const;

/** A card or virtual device of DPDK's as a port towards the network. */
export const Uplink = z.strictObject({
  /** Port number, above all device numbers. */
  id: Count,
  name: PortName,
  device: z.string(),
  driver: z.string(),
  origin: z.enum(['config', 'api']),
  /** `gone`: the device has vanished; it is taken back when it is there again. */
  state: z.enum(['up', 'down', 'gone']),
  mac: z.string(),
  /** null: unknown. */
  speedMbps: Count.nullable(),
  mtu: Count,
  /** What the card does itself of what guests leave to it, and of what they want to know: `tx-csum`, `tso`, … */
  offloads: z.array(z.string()),
  /** What has to be done with the kernel's interface behind it; null: nothing that is known. */
  remark: z.string().nullable(),
  queues: Count,
  /** The worker of each queue. */
  workers: z.array(Count),
  unknownUnicast: z.enum(UNKNOWN_UNICAST),
  /** As of a port, for frames from the network. */
  forwardReserved: z.boolean(),
  buffers: Count,
  buffersFree: Count,
  /**
   * VMDq: for how many guests there are pools, who has one, and which connected guests are sorted in software, by device
   * number; null: the card has none, or none that could be used, and every frame is sorted in software.
   */
  pools: z
    .strictObject({
      count: Count,
      taken: z.array(z.strictObject({ pool: Count, id: Count, mac: z.string() })),
      software: z.array(Count),
    })
    .nullable(),
  /** Frames that were sent from guests' memory without a copy; null: that is not asked for. */
  zeroCopied: Count.nullable(),
  /** Frames that the card has put into guests' memory itself. */
  zeroCopiedIn: Count.nullable(),
  macs: Count,
});
export type Uplink = z.infer<typeof Uplink>;

export const UplinkAdd = z.strictObject({
  name: PortName,
  /** DPDK's name of the device, with its arguments: `0000:03:00.0`, `net_af_packet0,iface=eth1`. */
  device: z
    .string()
    .max(500)
    .regex(
      /^[A-Za-z0-9_:.]+(,[\x21-\x7e]+)?$/,
      'must be a PCI address or a device of DPDK, such as net_tap0,iface=tap1',
    ),
  queues: z.number().int().min(1).optional(),
  mtu: Mtu.optional(),
  /** Packet buffers; without it as many as needed. */
  buffers: z.number().int().min(1).max(1_000_000).optional(),
  /** What to do with frames for addresses that no guest is known to have. */
  unknownUnicast: z.enum(UNKNOWN_UNICAST).optional(),
  /** Forward frames for 01:80:c2:00:00:00 to 0f from the network to guests. */
  forwardReserved: z.boolean().optional(),
  /** For how many guests to use VMDq pools of the card; without it as many as it has, 0: none. */
  pools: z.number().int().min(0).optional(),
});
export type UplinkAdd = z.infer<typeof UplinkAdd>;

export const Mac = z.strictObject({ mac: z.string(), vlan: Count, port: z.string(), id: Count, ageSeconds: Count });
export type Mac = z.infer<typeof Mac>;

export const Worker = z.strictObject({
  id: Count,
  cpu: z.number().int().nullable(),
  tid: Count,
  queues: Count,
  packets: Count,
  sleeps: Count,
  cycles: Count,
  busyCycles: Count,
});
export type Worker = z.infer<typeof Worker>;

/** `defaultMacAt`: another port at which a guest with QEMU's own address is heard; null where there is none. */
export const ClaimedPort = Port.extend({ defaultMacAt: PortName.nullable() });
export type ClaimedPort = z.infer<typeof ClaimedPort>;

/** `ports`: names of ports and uplinks. */
export const Contested = z.strictObject({ mac: z.string(), vlan: Count, ports: z.array(z.string()) });
export type Contested = z.infer<typeof Contested>;

export const Status = z.strictObject({
  version: z.string(),
  pid: Count,
  runDir: z.string(),
  apiSocket: z.string(),
  log: z.string().nullable(),
  config: z.string().nullable(),
  startedAt: z.string(),
  uptimeSeconds: Count,
  dpdk: z.string(),
  /** Which build of the data path runs, e.g. `x86-64-v3`. */
  instructionSet: z.string(),
  hugepages: z.boolean(),
  /** Why hugepages are not used, with the command that fixes it; null where they are. */
  hugepagesReason: z.string().nullable(),
  poll: z.enum(['adaptive', 'busy']),
  workers: z.array(Worker),
  ports: Count,
  portsReady: Count,
  macs: Count,
  eventsLost: Count,
  /** Addresses that move to and fro between ports: their guests have the same one. */
  contested: z.array(Contested),
});
export type Status = z.infer<typeof Status>;

export const PortStats = z.strictObject({ name: PortName, id: Count, counters: Counters });
export type PortStats = z.infer<typeof PortStats>;

/** `device`: what the device itself has counted. */
export const UplinkStats = PortStats.extend({
  device: z.strictObject({ rxMissed: Count, rxErrors: Count, rxNoBuffer: Count, txErrors: Count }),
});
export type UplinkStats = z.infer<typeof UplinkStats>;

/** Answers are objects, never bare arrays: they can grow without breaking a reader. */
export const PortList = z.strictObject({ ports: z.array(Port) });
export const MacList = z.strictObject({ macs: z.array(Mac) });
export const StatsList = z.strictObject({ ports: z.array(PortStats), uplinks: z.array(UplinkStats) });
export type StatsList = z.infer<typeof StatsList>;
/** Every reason, also those that never happened; `ports`: ports and uplinks where it did. */
export const DropList = z.strictObject({
  drops: z.array(
    z.strictObject({
      reason: z.string(),
      meaning: z.string().describe('goes on after "The frame"'),
      fix: z.string().describe('what to do about it, for people'),
      frames: Count,
      ports: z.array(z.strictObject({ name: PortName, frames: Count })),
    }),
  ),
});
export type DropList = z.infer<typeof DropList>;
export const UplinkList = z.strictObject({ uplinks: z.array(Uplink) });
export const UplinkRemoved = z.strictObject({ removed: PortName });
export const PortRemoved = z.strictObject({ removed: PortName });
export const Rebalanced = z.strictObject({ moved: Count });

export const Stopping = z.strictObject({ stopping: z.literal(true), pid: Count });
export const Version = z.strictObject({ version: z.string() });

export const ApiError = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});
export type ApiError = z.infer<typeof ApiError>;
