import { join } from 'node:path';
import { VhostHostError, hasCode } from '../errors.js';
import type { QuickHost } from '../quick-host.js';
import { post } from '../switch/quick-call.js';
import type { Exchange } from '../switch/quick-call.js';
import {
  apiSocketPath,
  checkSocketPath,
  claimSocketPath,
  lockPath,
  portSocketPath,
  resolveRunDir,
} from '../switch/rundir.js';
import type { Broker } from '../wrap/broker.js';
import type { Config } from '../wrap/config-keys.js';
import type { Claim } from '../wrap/rewrite.js';

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
  return stat?.kind === 'directory' && (stat.uid === host.uid() || stat.uid === 0) && (stat.mode & 0o002) === 0;
}

/** Who is at work, and by what means. */
interface Parts {
  readonly host: QuickHost;
  readonly say: (line: string) => void;
  readonly exchange: Exchange;
}

/** The port's socket. The narrow claim socket comes first: it is the one that libvirt's QEMU user may open. */
async function claimIn({ exchange }: Parts, runDir: string, { name, queues, exact }: Claim): Promise<string> {
  const ask = (socket: string): Promise<unknown> => post(exchange, socket, '/v1/ports/claim', { name, queues, exact });
  const port = await ask(claimSocketPath(runDir)).catch((error: unknown) => {
    if (hasCode(error, 'SWITCH_NOT_RUNNING')) return ask(apiSocketPath(runDir));
    throw error;
  });
  if (typeof port === 'object' && port !== null && 'socket' in port && typeof port.socket === 'string') {
    return port.socket;
  }
  throw new VhostHostError('SWITCH_UNREACHABLE', `the switch in ${runDir} gave no socket for port ${name}`);
}

/** Asks each candidate in turn; that a switch is there but out of reach is the better reason to report. */
async function claimAnywhere(parts: Parts, dirs: readonly string[], named: boolean, claim: Claim): Promise<string> {
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

/** Where a claim would be answered, told from the sockets alone. */
async function likelyRunDir(host: QuickHost, dirs: readonly string[], fallback: string): Promise<string> {
  for (const runDir of dirs) {
    if ((await isTrusted(host, runDir)) && (await host.lstat(apiSocketPath(runDir)).catch(() => undefined)))
      return runDir;
  }
  return fallback;
}

/** Two guests started at once by hand both start the switch: the one that comes second waits for the first's. */
async function claimWhenStarted(parts: Parts, runDir: string, claim: Claim): Promise<string> {
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

async function startAndClaim(parts: Parts, runDir: string, claim: Claim): Promise<string> {
  const { host, say } = parts;
  const { packageRoot } = await import('../switch/package.js');
  const main = join(packageRoot, 'build', 'src', 'cli', 'main.js');
  const started = await host.run(process.execPath, [main, 'start', '--run-dir', runDir]);
  try {
    const socket = await claimWhenStarted(parts, runDir, claim);
    if (started.exitCode === 0) say(`qemu-wrap: started the switch in ${runDir} (vhost-host stop ends it)`);
    return socket;
  } catch (error) {
    if (started.exitCode === 0 || !hasCode(error, 'SWITCH_NOT_RUNNING')) throw error;
    const lines = started.stderr.trim().split('\n');
    const said = lines.find((line) => line.startsWith('vhost-host: ')) ?? lines.at(-1) ?? '';
    throw new VhostHostError('SWITCH_START_FAILED', `no switch is running, and starting one failed: ${said}`, {
      hint: `vhost-host start --run-dir ${runDir}`,
    });
  }
}

export function makeBroker(parts: Parts, config: Config): Broker {
  const { host } = parts;
  const named = (host.env('VHOST_HOST_RUN_DIR') ?? config.runDir ?? '') !== '';
  const dirs = runDirs(host, config);
  const own = dirs[0] ?? SYSTEM_RUN_DIR;
  return {
    async predict({ name }) {
      const path = portSocketPath(await likelyRunDir(host, dirs, own), name);
      checkSocketPath(path);
      return path;
    },
    async claim(claim, belowLibvirt) {
      try {
        return await claimAnywhere(parts, dirs, named, claim);
      } catch (error) {
        const wanted = config.autostart === 'on' || (config.autostart === 'auto' && !belowLibvirt);
        if (!hasCode(error, 'SWITCH_NOT_RUNNING') || !wanted) throw error;
        return await startAndClaim(parts, own, claim);
      }
    },
  };
}
