import { strict as assert } from 'node:assert';
import { flags } from './scene.js';

describe('vm: last of all', () => {
  it('every flag that is declared was used in a call above', () => {
    assert.deepEqual(
      flags.unused((flag) => !flag.startsWith('vm ')),
      [],
    );
  });
});
