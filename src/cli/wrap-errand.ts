import { getSystemErrorName } from 'node:util';
import { readExactly, readLine, writeAll } from '../quick-host.js';
import type { Exchange } from '../switch/quick-call.js';
import { printErrand } from '../wrap/plan.js';

/** Has the launcher, at the other end of stdin and stdout, take a text to a UNIX socket and bring the answer. */
export const errand: Exchange = (socket, text) => {
  writeAll(1, printErrand(socket, text));
  const [errno = NaN, length = NaN] = readLine(0).split(' ').map(Number);
  if (errno === 0) return Promise.resolve(readExactly(0, length).toString());
  const code = getSystemErrorName(-errno);
  return Promise.reject(Object.assign(new Error(code === 'ETIMEDOUT' ? 'nothing within 10 s' : code), { code }));
};
