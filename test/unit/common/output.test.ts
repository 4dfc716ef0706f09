import { strict as assert } from 'node:assert';
import { PassThrough } from 'node:stream';
import { VhostHostError } from '../../../src/common/errors.js';
import { describeError, makeTalk } from '../../../src/common/output.js';
import type { Talk } from '../../../src/common/output.js';

/** A talk into memory, as into a pipe; a spinner would need a terminal. */
function listen(): { talk: Talk; out: () => string; err: () => string } {
  const out = new PassThrough();
  const err = new PassThrough();
  const streams = [out, err] as unknown as [NodeJS.WriteStream, NodeJS.WriteStream];
  const text = (stream: PassThrough) => (): string => String(stream.read() ?? '');
  return { talk: makeTalk('prog', ...streams), out: text(out), err: text(err) };
}

describe('talk', () => {
  it('answers on stdout and talks on stderr', () => {
    const { talk, out, err } = listen();
    talk.answer('yes');
    talk.say('well');
    assert.deepEqual([out(), err()], ['yes\n', 'well\n']);
  });

  it('tells of an error in one line, and what to do about it in another', async () => {
    const { talk, out, err } = listen();
    await talk.fail(new VhostHostError('PORT_UNKNOWN', 'no\nport', { hint: 'add it' }));
    assert.deepEqual([out(), err()], ['', 'prog: no port\n  add it\n']);
  });

  it('marks what nobody meant to happen', () => {
    assert.deepEqual(describeError(new TypeError('x')), { line: 'internal error: x', hint: undefined });
  });

  it('tells how each step ended, and passes on its result or error', async () => {
    const { talk, err } = listen();
    assert.equal(await talk.step('work', () => Promise.resolve(5)), 5);
    assert.equal(err(), '- work ...\n  work: done\n');
    await assert.rejects(
      talk.step('work', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(err(), '- work ...\n  work: failed\n');
  });
});
