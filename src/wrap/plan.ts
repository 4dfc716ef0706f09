import type { Rewritten } from './rewrite.js';

/**
 * What the planner says to the launcher (`native/launch/plan.c`): fields that each end in a zero byte. First,
 * any number of errands, each answered by a line `ERRNO LENGTH` and so many bytes:
 *
 *   q<path>             connect to this UNIX socket, …
 *   <text>              … send this, and read until the peer closes
 *
 *   o<path>             open this device for QEMU (it must be one of the cuse bridge's); the bytes that come
 *   <nothing>           back are the descriptor's number
 *
 *   h<path>             lock this directory, as every wrapper does before it looks for free hugepages
 *   <nothing>
 *
 * Then the plan:
 *
 *   vhost-host plan 1   what this is, and the version of the format
 *   c<number>           close this inherited descriptor
 *   k<index>            next argument of QEMU: the caller's own, untouched, by its place from 0
 *   a<text>             next argument of QEMU: this text
 *   w<number>           release the lock when QEMU uses more than so many KiB of hugepages
 *   .                   the end; without it the planner died on the way
 *
 * The launcher refuses every other letter, so a later kind of record cannot be overlooked.
 */
export function printPlan(rewritten: Rewritten): string {
  const fields = [
    'vhost-host plan 1',
    ...rewritten.close.map((fd) => `c${fd}`),
    ...(rewritten.hugepagesKib === undefined ? [] : [`w${rewritten.hugepagesKib}`]),
    ...rewritten.args.map(({ text, origin }) => (origin === undefined ? `a${text}` : `k${origin}`)),
    '.',
  ];
  return fields.map((field) => `${field}\0`).join('');
}

export function printOpen(device: string): string {
  return `o${device}\0\0`;
}

export function printLock(directory: string): string {
  return `h${directory}\0\0`;
}

export function printErrand(socket: string, text: string): string {
  return `q${socket}\0${text}\0`;
}

/** What the launcher brings back; undefined while not all of it has come. */
export function parseReturn(bytes: Buffer): { readonly errno: number; readonly answer: string } | undefined {
  const end = bytes.indexOf('\n');
  if (end < 0) return undefined;
  const [errno = NaN, length = NaN] = bytes.toString('latin1', 0, end).split(' ').map(Number);
  return bytes.length < end + 1 + length ? undefined : { errno, answer: bytes.toString('utf8', end + 1) };
}
