import { getSystemErrorName } from 'node:util';
import { readUntil, writeAll } from '../quick-host.js';
import type { Exchange } from '../switch/quick-call.js';
import { parseReturn, printErrand } from '../wrap/plan.js';

/** Has the launcher, at the other end of stdin and stdout, take a text to a UNIX socket and bring the answer. */
export const errand: Exchange = (socket, text) => {
  writeAll(1, printErrand(socket, text));
  const { errno, answer } = readUntil(0, parseReturn);
  if (errno === 0) return Promise.resolve(answer);
  const code = getSystemErrorName(-errno);
  return Promise.reject(Object.assign(new Error(code === 'ETIMEDOUT' ? 'nothing within 10 s' : code), { code }));
};
