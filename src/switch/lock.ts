import { VhostHostError, messageOf, printable } from '../errors.js';
import type { Host } from '../host.js';
import { request } from './rest.js';
import { apiSocketPath, lockPath, prepareRunDir } from './rundir.js';
import type { Settings } from './settings.js';
import type { NativeBinding } from './surface.js';
import type { Unwind } from './unwind.js';

/** How long the other switch may take to say who it is, for the error's sake only. */
const ASK_MS = 2000;

async function otherPid(runDir: string): Promise<number | undefined> {
  try {
    const { body } = await request(apiSocketPath(runDir), 'GET', '/v1/status', undefined, { timeoutMs: ASK_MS });
    const pid = (body as { pid?: unknown } | undefined)?.pid;
    return typeof pid === 'number' ? pid : undefined;
  } catch {
    // It starts or stops at this moment, or hangs; the lock alone decides that it is there.
    return undefined;
  }
}

/** Makes the run directory this process's own until `unwind`; refuses while another switch lives in it. */
export async function takeRunDir(
  parts: {
    readonly host: Host;
    readonly binding: NativeBinding;
    readonly settings: Pick<Settings, 'runDir' | 'socketGid'>;
  },
  unwind: Unwind,
): Promise<void> {
  const { host, binding } = parts;
  const { runDir, socketGid } = parts.settings;
  await prepareRunDir(host, runDir, socketGid);
  const path = lockPath(runDir);
  let fd: number;
  try {
    fd = binding.lock(path);
  } catch (error) {
    throw new VhostHostError('RUN_DIR_UNUSABLE', `cannot lock ${path}: ${printable(messageOf(error))}`, {
      cause: error,
    });
  }
  if (fd === -1) {
    const pid = await otherPid(runDir);
    const who = pid === undefined ? '' : ` (process ${pid})`;
    throw new VhostHostError('SWITCH_RUNNING', `a switch is running in ${runDir}${who} already`, {
      hint: `vhost-host stop --run-dir ${runDir}`,
      details: pid === undefined ? { runDir } : { runDir, pid },
    });
  }
  unwind.push('the lock', async () => {
    // The file goes while the lock is still held: afterwards it may be another switch's.
    await host.unlink(path);
    binding.unlock(fd);
  });
}
