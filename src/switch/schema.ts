import { z } from 'zod';

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

const Count = z.number().int().nonnegative();

export const Counters = z.strictObject({
  txPackets: Count,
  txBytes: Count,
  rxPackets: Count,
  rxBytes: Count,
  interrupts: Count,
  drops: z.record(z.string(), Count),
});
export type Counters = z.infer<typeof Counters>;

export const Queue = z.strictObject({ index: Count, size: Count, live: z.boolean(), worker: z.number().int() });

export const Port = z.strictObject({
  /** Device number. */
  id: Count,
  name: PortName,
  socket: z.string(),
  queues: Count,
  /** Guests may leave checksums and TCP segmentation to the switch; `features` says what the guest took. */
  offloads: z.boolean(),
  transports: Transports,
  /** Path of the port's device; null where it has none. */
  device: z.string().nullable(),
  /** `config`: named in the configuration file; `api`: added by hand; `claim`: handed out to a guest by qemu-wrap. */
  origin: z.enum(['config', 'api', 'claim']),
  state: z.enum(['waiting', 'connected', 'ready']),
  /** 1000 + device number, as in the original. */
  vlanTag: Count,
  /** Negotiated virtio features by name, e.g. `mrg_rxbuf`. */
  features: z.array(z.string()),
  memoryBytes: Count,
  rings: z.array(Queue),
  macs: z.array(z.string()),
});
export type Port = z.infer<typeof Port>;

export const PortAdd = z.strictObject({
  name: PortName,
  socket: z.string().min(1).optional(),
  queues: z.number().int().min(1).optional(),
  offloads: z.boolean().optional(),
  transports: Transports.optional(),
  devIndex: DevIndex.optional(),
});
export type PortAdd = z.infer<typeof PortAdd>;

/**
 * A guest's netdev asks for its port. The same guest and netdev get the same port again once it is free;
 * `exact: false` (unnamed guests) allows a numbered sibling when the first is taken.
 */
export const PortClaim = z.strictObject({
  name: PortName,
  queues: z.number().int().min(1),
  exact: z.boolean(),
  /** What a port that is made now shall have; one that is there has what it has. */
  transport: Transport.optional(),
});
export type PortClaim = z.infer<typeof PortClaim>;

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
  /** Why hugepages are not used, with the command that mends it; null where they are. */
  hugepagesReason: z.string().nullable(),
  poll: z.enum(['adaptive', 'busy']),
  workers: z.array(Worker),
  ports: Count,
  portsReady: Count,
  macs: Count,
  eventsLost: Count,
});
export type Status = z.infer<typeof Status>;

export const PortStats = z.strictObject({ name: PortName, id: Count, counters: Counters });
export type PortStats = z.infer<typeof PortStats>;

/** Answers are objects, never bare arrays: they can grow without breaking a reader. */
export const PortList = z.strictObject({ ports: z.array(Port) });
export const MacList = z.strictObject({ macs: z.array(Mac) });
export const StatsList = z.strictObject({ ports: z.array(PortStats) });
export const PortRemoved = z.strictObject({ removed: PortName });
export const Spread = z.strictObject({ moved: Count });

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
