import { strict as assert } from 'node:assert';
import { PassThrough } from 'node:stream';
import { VhostHostError } from '../../../src/common/errors.js';
import { describeError, makeConsole } from '../../../src/common/output.js';
import type { Console } from '../../../src/common/output.js';

/** A console into memory, as into a pipe; a spinner would need a terminal. */
function listen(): { console: Console; out: () => string; err: () => string } {
  const out = new PassThrough();
  const err = new PassThrough();
  const streams = [out, err] as unknown as [NodeJS.WriteStream, NodeJS.WriteStream];
  const text = (stream: PassThrough) => (): string => String(stream.read() ?? '');
  return { console: makeConsole('prog', ...streams), out: text(out), err: text(err) };
}

describe('console', () => {
  it('answers on stdout and talks on stderr', () => {
    const { console, out, err } = listen();
    console.print('yes');
    console.log('well');
    assert.deepEqual([out(), err()], ['yes\n', 'well\n']);
  });

  it('tells of an error in one line, and what to do about it in another', async () => {
    const { console, out, err } = listen();
    await console.fail(new VhostHostError('PORT_UNKNOWN', 'no\nport', { hint: 'add it' }));
    assert.deepEqual([out(), err()], ['', 'prog: no port\n  add it\n']);
  });

  it('marks what nobody meant to happen', () => {
    assert.deepEqual(describeError(new TypeError('x')), { line: 'internal error: x', hint: undefined });
  });

  it('tells how each step ended, and passes on its result or error', async () => {
    const { console, err } = listen();
    assert.equal(await console.step('work', () => Promise.resolve(5)), 5);
    assert.equal(err(), '- work ...\n  work: done\n');
    await assert.rejects(
      console.step('work', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(err(), '- work ...\n  work: failed\n');
  });
});
