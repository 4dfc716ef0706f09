import * as z from 'zod';
import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import { parseCpuList } from '../model/cpulist.js';
import { OwnerText } from '../model/owner-text.js';
import { SYSTEM_RUN_DIR, resolveRunDir } from '../run-dir/paths.js';
import { DevIndex, GuestMac, MacLimit, PortName, Transports, UplinkAdd } from '../model/schema.js';
import { describeFaults } from '../model/validate.js';
import { renameKeys } from './renamed-keys.js';
import { VlanText } from '../model/vlan.js';
import type { Host } from '../../host/host.js';

/** The configuration file of the switch: JSON, every key optional. */

export const POLL_MODES = ['adaptive', 'busy'] as const;
export const VM2VM_MODES = ['software', 'off', 'hardware'] as const;
export const HUGEPAGE_MODES = ['auto', 'on', 'off'] as const;
/** By rising talkativeness, with DPDK's numbers. */
export const LOG_LEVELS = { error: 4, warning: 5, notice: 6, info: 7, debug: 8 } as const;

/** What is read by `parseCpuList()`, for JSON Schema. */
const WORKERS_SCHEMA = {
  anyOf: [
    { type: 'string', description: 'CPU numbers such as "0,2-3".' },
    { type: 'array', items: { type: 'integer', minimum: 0 } },
  ],
};

const AbsolutePath = z.string().startsWith('/', 'must be an absolute path');

const Workers = z
  .unknown()
  .meta(WORKERS_SCHEMA)
  .transform((value, context): readonly number[] => {
    const text = Array.isArray(value) ? value.join(',') : value;
    const result =
      typeof text === 'string' ? parseCpuList(text) : { reason: 'must be CPU numbers or a text like "0,2-3"' };
    if ('cpus' in result) return result.cpus;
    context.addIssue({ code: 'custom', message: result.reason });
    return z.NEVER;
  });

const ConfigPort = z.strictObject({
  name: PortName,
  socket: AbsolutePath.optional(),
  queues: z.number().int().min(1).optional(),
  /** Offer guests on this port checksum and TCP segmentation offloads; default: `offloads` of the switch. */
  offloads: z.boolean().optional(),
  /** How guests reach the port: "user" (default), "cuse", or both, of which the first to connect has it. */
  transports: Transports.optional(),
  /** N of its device; default: the first that is free. */
  devIndex: DevIndex.optional(),
  /** The address of the guest that it is for; default: qemu-wrap finds it by name. */
  mac: GuestMac.optional(),
  /** What the guest on this port has to do with VLANs; default: `vlan` of the switch. */
  vlan: VlanText.optional(),
  /** Addresses that are learned of the guest at a time; default: 2048. */
  macLimit: MacLimit.optional(),
  /** Forward what the guest sends to 01:80:c2:00:00:00 to 0f (STP, LACP, LLDP), which a bridge keeps to itself. */
  forwardReserved: z.boolean().optional(),
  /** Whose processes may connect to it: "uid:64055", or "domain:web1" for that domain of libvirt's. */
  owner: OwnerText.optional(),
});

function namesOnce(list: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  list.forEach(({ name }, i) => {
    const first = list.findIndex((entry) => entry.name === name);
    if (first < i) context.addIssue({ code: 'custom', path: [i, 'name'], message: `"${name}" is named twice` });
  });
}

/** As --dev-basename of DPDK's vhost example. */
export const DevBaseName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$/, 'has 1 to 32 letters, digits, ".", "_" or "-"');

const SocketMode = z
  .string()
  .regex(/^0?[0-7]{3}$/, 'must be octal mode bits in quotes, such as "0660"')
  .transform((text) => parseInt(text, 8));

export const Config = z.strictObject({
  runDir: AbsolutePath.optional(),
  /** One worker per CPU named; without it one worker that is not pinned. */
  workers: Workers.optional(),
  poll: z.enum(POLL_MODES).optional(),
  /** Offer guests mergeable receive buffers; without them a frame must fit one buffer. */
  mergeable: z.boolean().optional(),
  /** Try again when a guest's receive ring is full: whether, how often, and microseconds in between. */
  rxRetry: z.boolean().optional(),
  rxRetryNum: z.number().int().min(0).max(1000).optional(),
  rxRetryDelay: z.number().int().min(0).max(1_000_000).optional(),
  /** Seconds after which an address that is not seen any more is forgotten. */
  macAgeing: z.number().int().min(1).max(1_000_000).optional(),
  /** MiB for DPDK's own memory. */
  memoryMb: z.number().int().min(16).max(65_536).optional(),
  /** Memory channels of this machine, over which DPDK spreads packet buffers. */
  memoryChannels: z.number().int().min(1).max(32).optional(),
  hugepages: z.enum(HUGEPAGE_MODES).optional(),
  /** Who may connect to the ports. */
  socket: z.strictObject({ mode: SocketMode.optional(), group: z.string().min(1).optional() }).optional(),
  /** The devices' name without number; default: usvhost. */
  devBaseName: DevBaseName.optional(),
  ports: z.array(ConfigPort).superRefine(namesOnce).optional(),
  /** Network cards and virtual devices of DPDK's that the guests reach the network by. */
  uplinks: z.array(UplinkAdd).superRefine(namesOnce).optional(),
  /** VLAN mode of all ports that have none of their own. */
  vlan: VlanText.optional(),
  /** Whether guests on `auto` ports get frames without the tag; --vlan-strip. */
  vlanStrip: z.boolean().optional(),
  /** Guests reach each other in the switch, only by way of the network, or in the card; --vm2vm 1, 0, 2. */
  vm2vm: z.enum(VM2VM_MODES).optional(),
  /** Uplinks send guests' frames from where they are, and with how many descriptors; not with vm2vm "software". */
  zeroCopy: z.boolean().optional(),
  rxDescriptors: z.number().int().optional(),
  txDescriptors: z.number().int().optional(),
  /** As of a port, for all that do not say. */
  offloads: z.boolean().optional(),
  /** Seconds between tables of what was counted, in the log. */
  stats: z.number().int().min(0).max(1_000_000).optional(),
  /** KiB that the log may have before it makes way for a new one, and how many old ones stay (switch.log.1, …). */
  logMaxKb: z.number().int().min(4).max(1_048_576).optional(),
  logFiles: z.number().int().min(0).max(9).optional(),
  logLevel: z.enum(Object.keys(LOG_LEVELS) as (keyof typeof LOG_LEVELS)[]).optional(),
});
export type Config = z.infer<typeof Config>;

const DEFAULT_FILE = '/etc/vhost-host/switch.json';

function invalid(message: string, file: string, cause?: unknown): VhostHostError {
  return new VhostHostError('CONFIG_INVALID', message, { cause, details: { file } });
}

type Warn = (line: string) => void;

/** `warn` gets a line for each key that has another name by now. */
export function parseConfig(file: string, text: string, warn: Warn = () => undefined): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`${file} is not JSON: ${printable(messageOf(error))}`, file, error);
  }
  const renamed = renameKeys(value);
  if ('conflict' in renamed) throw invalid(`${renamed.conflict} in ${file}`, file);
  for (const line of renamed.warnings) warn(`${file}: ${line}`);
  const result = Config.safeParse(renamed.value);
  if (result.success) return result.data;
  throw invalid(describeFaults(file, Config, result.error), file, result.error);
}

export interface LoadedConfig {
  /** null: no file, all defaults. */
  readonly file: string | null;
  readonly config: Config;
}

/** The file that was asked for, else of the system's switch the one in /etc, where there is one, else nothing. */
export async function loadConfig(host: Host, given?: string, runDir?: string, warn?: Warn): Promise<LoadedConfig> {
  if (given === undefined) {
    const isSystem = host.uid() === 0 || resolveRunDir(host, runDir) === SYSTEM_RUN_DIR;
    const text = isSystem ? await host.readOptional(DEFAULT_FILE) : undefined;
    return text === undefined
      ? { file: null, config: {} }
      : { file: DEFAULT_FILE, config: parseConfig(DEFAULT_FILE, text, warn) };
  }
  try {
    return { file: given, config: parseConfig(given, await host.read(given), warn) };
  } catch (error) {
    if (error instanceof VhostHostError) throw error;
    const reason = errnoOf(error) === 'ENOENT' ? 'there is no such file' : printable(messageOf(error));
    throw invalid(`cannot read configuration ${given}: ${reason}`, given, error);
  }
}
