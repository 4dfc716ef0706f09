import type { Rewritten } from './rewrite.js';

/**
 * The answer to the launcher (read by `native/launch/plan.c`): fields that each end in a zero byte.
 *
 *   vhost-host plan 1   what this is, and the version of the format
 *   c<number>           close this inherited descriptor
 *   k<index>            next argument of QEMU: the caller's own, untouched, by its place from 0
 *   a<text>             next argument of QEMU: this text
 *   .                   the end; without it the planner died on the way
 *
 * The launcher refuses every other letter, so a later kind of record cannot be overlooked.
 */
export function printPlan(rewritten: Rewritten): string {
  const fields = [
    'vhost-host plan 1',
    ...rewritten.close.map((fd) => `c${fd}`),
    ...rewritten.args.map(({ text, origin }) => (origin === undefined ? `a${text}` : `k${origin}`)),
    '.',
  ];
  return fields.map((field) => `${field}\0`).join('');
}
