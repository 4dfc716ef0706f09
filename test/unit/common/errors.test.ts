import { strict as assert } from 'node:assert';
import { VhostHostError, errnoOf, messageOf, printable } from '../../../src/common/errors.js';

describe('errors', () => {
  it('carry code, hint, details and cause', () => {
    const cause = new Error('inner');
    const error = new VhostHostError('PORT_UNKNOWN', 'x', { hint: 'do', cause, details: { a: 1 } });
    assert.deepEqual([error.code, error.hint, error.details, error.cause], ['PORT_UNKNOWN', 'do', { a: 1 }, cause]);
    const bare = new VhostHostError('INTERNAL', 'x');
    assert.deepEqual([bare.hint, bare.details, 'cause' in bare], [undefined, {}, false]);
    assert.ok(error instanceof Error);
  });

  it('give their errno, if they have one', () => {
    assert.equal(errnoOf(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT');
    for (const other of [undefined, null, 'ENOENT', new Error('x'), { code: 5 }])
      assert.equal(errnoOf(other), undefined);
  });

  it('give a message, whatever was thrown', () => {
    assert.deepEqual([new Error('m'), 'text', 7].map(messageOf), ['m', 'text', '7']);
  });

  it('print foreign text without letting it move the cursor', () => {
    assert.equal(printable(' a\r\n  b\tc\u001b[2J\u007f\u0085 '), 'a b\\x09c\\x1b[2J\\x7f\\x85');
    assert.equal(printable('grüße'), 'grüße');
  });
});
