import { join } from 'node:path';
import { VhostHostError, hasCode, printable } from '../../common/errors.js';
import { MAX_QUEUE_PAIRS } from '../../common/queue-pairs.js';
import { startOf } from '../../host/kernel/process.js';
import type { QuickHost } from '../../host/sync-host.js';
import { post } from '../../switch/client/raw-http.js';
import type { Exchange } from '../../switch/client/raw-http.js';
import type { Claimant } from '../../switch/model/schema.js';
import {
  apiSocketPath,
  checkSocketPath,
  claimSocketPath,
  lockPath,
  portSocketPath,
  resolveRunDir,
} from '../../switch/run-dir/paths.js';
import { changeableByOthers } from '../../host/trusted-place.js';
import type { Broker } from '../../wrap/broker.js';
import type { Config } from '../../wrap/config/keys.js';
import { openAll, unopened } from './device.js';
import type { OpenDevice } from './device.js';
import type { Claim, Way } from '../../wrap/endpoint.js';

/** qemu-wrap's way to a switch: which one, by which socket, and what to do when there is none. */

const SYSTEM_RUN_DIR = '/run/vhost-host';
/** For a switch that somebody else is starting at this moment. */
const STARTING_MS = 10_000;
const POLL_MS = 50;

/** Run directories to look for a switch in: the one that was named, else the user's own and the system's. */
function runDirs(host: QuickHost, config: Config): string[] {
  const named = host.env('VHOST_HOST_RUN_DIR') ?? config.runDir;
  if (named !== undefined && named !== '') return [resolveRunDir(host, named)];
  return [...new Set([resolveRunDir(host), SYSTEM_RUN_DIR])];
}

/** Whoever owns the switch can read the guest's memory: one found by looking must be ours or root's. */
async function isTrusted(host: QuickHost, runDir: string): Promise<boolean> {
  const stat = await host.lstat(runDir);
  if (stat?.kind !== 'directory' || (stat.mode & 0o002) !== 0) return false;
  return (await changeableByOthers(host, runDir)) === undefined;
}

/** Who is at work, and by what means. */
interface Parts {
  readonly host: QuickHost;
  readonly log: (line: string) => void;
  readonly exchange: Exchange;
  readonly open: OpenDevice;
  /** The process that becomes QEMU. */
  readonly pid: number;
}

type Transport = Config['transport'];
type Spec = Claim & { readonly transport: Transport };

function textOf(port: unknown, key: 'socket' | 'device' | 'defaultMacAt'): string | undefined {
  const value: unknown = typeof port === 'object' && port !== null ? Reflect.get(port, key) : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** Where the port is that the switch gave: at its socket, unless it is not for vhost-user. */
function placeOf(port: unknown, transport: Transport): { socket: string } | { device: string } | undefined {
  const [socket, device] = [textOf(port, 'socket'), textOf(port, 'device')];
  const transports: unknown = typeof port === 'object' && port !== null && 'transports' in port ? port.transports : [];
  const cuseOnly = Array.isArray(transports) && transports.length > 0 && !transports.includes('user');
  if (transport === 'cuse' || (transport === 'auto' && cuseOnly)) return device === undefined ? undefined : { device };
  return socket === undefined ? undefined : { socket };
}

async function claimantOf({ host, pid }: Parts): Promise<Claimant | undefined> {
  const started = await startOf(host, pid).catch(() => undefined);
  return started === undefined ? undefined : { pid, started };
}

/** The narrow claim socket comes first: it is the one that libvirt's QEMU user may open. */
async function ask({ exchange }: Parts, runDir: string, body: object): Promise<unknown> {
  const at = (socket: string): Promise<unknown> => post(exchange, socket, '/v1/ports/claim', body);
  return await at(claimSocketPath(runDir)).catch((error: unknown) => {
    if (hasCode(error, 'SWITCH_NOT_RUNNING')) return at(apiSocketPath(runDir));
    throw error;
  });
}

/** Two guests with one address each get a part of what is for both. */
function sameMac({ netdev }: Spec, other: string): string {
  const own = `the guest at port ${printable(other)} has the one that QEMU gives such cards`;
  return `qemu-wrap: the card of netdev "${printable(netdev)}" has no mac=, and ${own}: give it mac=52:54:00:…`;
}

/** The way to the port. */
async function claimIn(parts: Parts, runDir: string, spec: Spec): Promise<Way> {
  const { name, queues, exact, mac, transport, forks } = spec;
  const body = {
    name,
    queues,
    exact,
    ...(mac === undefined ? {} : { mac }),
    ...(transport === 'auto' ? {} : { transport }),
  };
  const claimant = await claimantOf(parts);
  const known = claimant === undefined ? {} : { claimant, ...(forks === undefined ? {} : { forks }) };
  const port = await ask(parts, runDir, { ...body, ...known }).catch((error: unknown) => {
    // A switch that runs since before an update knows no claimants and refuses what it does not know.
    if (hasCode(error, 'USAGE') && claimant !== undefined) return ask(parts, runDir, body);
    throw error;
  });
  const other = mac === undefined ? textOf(port, 'defaultMacAt') : undefined;
  if (other !== undefined) parts.log(sameMac(spec, other));
  const place = placeOf(port, transport);
  if (place === undefined) {
    const what = transport === 'cuse' ? 'device' : 'socket';
    throw new VhostHostError('SWITCH_UNREACHABLE', `the switch in ${runDir} gave no ${what} for port ${name}`);
  }
  return 'socket' in place ? place : await openAll(parts.open, place.device, queues);
}

/** Asks each candidate in turn; that a switch is there but out of reach is the better reason to report. */
async function claimAnywhere(parts: Parts, dirs: readonly string[], named: boolean, claim: Spec): Promise<Way> {
  const none = `no switch is running in ${dirs.join(' or ')}`;
  let reason = new VhostHostError('SWITCH_NOT_RUNNING', none, { hint: 'vhost-host start' });
  for (const runDir of dirs) {
    if (!named && !(await isTrusted(parts.host, runDir))) continue;
    try {
      return await claimIn(parts, runDir, claim);
    } catch (error) {
      if (hasCode(error, 'SWITCH_UNREACHABLE')) reason = error;
      else if (!hasCode(error, 'SWITCH_NOT_RUNNING')) throw error;
    }
  }
  throw reason;
}

/** Said before anything is asked or started, so that a preview says it too. */
function tooManyQueues(netdev: string, queues: number): VhostHostError {
  const what = `netdev "${netdev}" has ${queues} queue pairs, a port of the switch at most ${MAX_QUEUE_PAIRS}`;
  return new VhostHostError('PORT_LIMIT', what, {
    hint: `queues=${MAX_QUEUE_PAIRS} (or so many descriptors); for libvirt: <driver queues='${MAX_QUEUE_PAIRS}'/>`,
    details: { netdev, queues, most: MAX_QUEUE_PAIRS },
  });
}

/** Where a claim would be answered, told from the sockets alone. */
async function likelyRunDir(host: QuickHost, dirs: readonly string[], fallback: string): Promise<string> {
  for (const runDir of dirs) {
    if ((await isTrusted(host, runDir)) && (await host.lstat(apiSocketPath(runDir)).catch(() => undefined)))
      return runDir;
  }
  return fallback;
}

/** Two guests started at once by hand both start the switch: the one that comes second waits for the first's. */
async function claimWhenStarted(parts: Parts, runDir: string, claim: Spec): Promise<Way> {
  const { host } = parts;
  const deadline = host.now() + STARTING_MS;
  for (;;) {
    try {
      return await claimIn(parts, runDir, claim);
    } catch (error) {
      const starting = (await host.lstat(lockPath(runDir))) !== undefined && host.now() < deadline;
      if (!hasCode(error, 'SWITCH_NOT_RUNNING') || !starting) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

async function startAndClaim(parts: Parts, runDir: string, claim: Spec): Promise<Way> {
  const { host, log } = parts;
  const { packageRoot } = await import('../../common/package.js');
  const main = join(packageRoot, 'build', 'bundle', 'cli', 'main.js');
  const started = await host.run(process.execPath, [main, 'start', '--run-dir', runDir]);
  try {
    const way = await claimWhenStarted(parts, runDir, claim);
    if (started.exitCode === 0) log(`qemu-wrap: started the switch in ${runDir} (vhost-host stop ends it)`);
    return way;
  } catch (error) {
    if (started.exitCode === 0 || !hasCode(error, 'SWITCH_NOT_RUNNING')) throw error;
    const lines = started.stderr.trim().split('\n');
    const said = lines.find((line) => line.startsWith('vhost-host: ')) ?? lines.at(-1) ?? '';
    throw new VhostHostError('SWITCH_START_FAILED', `no switch is running, and starting one failed: ${said}`, {
      hint: `vhost-host start --run-dir ${runDir}`,
    });
  }
}

/** The device that the configuration names for all; with `auto` only where it can be opened. */
async function fixedDevice({ open }: Parts, { device, transport }: Config, queues: number): Promise<Way | undefined> {
  if (device === undefined || transport === 'user') return undefined;
  try {
    return await openAll(open, device, queues);
  } catch (error) {
    if (transport === 'auto') return undefined;
    throw error;
  }
}

export function makeBroker(parts: Parts, config: Config): Broker {
  const { host } = parts;
  const { transport, device } = config;
  const named = (host.env('VHOST_HOST_RUN_DIR') ?? config.runDir ?? '') !== '';
  const dirs = runDirs(host, config);
  const own = dirs[0] ?? SYSTEM_RUN_DIR;
  return {
    async predict({ name, netdev, queues }) {
      if (queues > MAX_QUEUE_PAIRS) throw tooManyQueues(netdev, queues);
      if (transport === 'cuse') return unopened(device ?? '/dev/usvhost-N', queues);
      const path = portSocketPath(await likelyRunDir(host, dirs, own), name);
      checkSocketPath(path);
      return { socket: path };
    },
    async claim(claim, belowLibvirt) {
      const fixed = await fixedDevice(parts, config, claim.queues);
      if (fixed !== undefined) return fixed;
      const spec = { ...claim, transport };
      try {
        return await claimAnywhere(parts, dirs, named, spec);
      } catch (error) {
        const wanted = config.autostart === 'on' || (config.autostart === 'auto' && !belowLibvirt);
        if (!hasCode(error, 'SWITCH_NOT_RUNNING') || !wanted) throw error;
        return await startAndClaim(parts, own, spec);
      }
    },
  };
}
