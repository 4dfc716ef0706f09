import { getSystemErrorName } from 'node:util';
import { readUntil, writeAll } from '../../host/sync-host.js';
import type { Exchange } from '../../switch/client/raw-http.js';
import { POOLS } from '../../host/kernel/hugepages.js';
import { parseReturn, printErrand, printLock, printOpen } from '../../wrap/plan.js';
import type { OpenDevice } from './device.js';

/** Has the launcher, at the other end of stdin and stdout, take a text to a UNIX socket and bring the answer. */
export const errand: Exchange = (socket, text) => ask(printErrand(socket, text));

/** Has it open a device for QEMU. Return: the descriptor's number. */
export const openDevice: OpenDevice = async (device) => Number(await ask(printOpen(device)));

/**
 * Waits for its turn with the host's hugepages. Where there is none to be had (a kernel module's rules, somebody who never
 * ends), the guest does without: it is then as likely to start as before there were turns.
 */
export async function waitForTurn(): Promise<void> {
  await ask(printLock(POOLS)).catch(() => undefined);
}

function ask(fields: string): Promise<string> {
  writeAll(1, fields);
  const { errno, answer } = readUntil(0, parseReturn);
  if (errno === 0) return Promise.resolve(answer);
  const code = getSystemErrorName(-errno);
  return Promise.reject(Object.assign(new Error(code === 'ETIMEDOUT' ? 'nothing within 10 s' : code), { code }));
}
