import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { MAX_QUEUE_PAIRS } from '../../../src/common/queue-pairs.js';
import { root } from '../../helpers/paths.js';

describe('queue pairs', () => {
  it('are limited in one way for the addon, the bridge and those who have neither', async () => {
    const limit = async (file: string, name: string): Promise<number> =>
      Number(new RegExp(`^#define ${name} (\\d+)$`, 'm').exec(await readFile(`${root}native/${file}`, 'utf8'))?.[1]);
    assert.equal(await limit('base/defs.h', 'VH_MAX_PAIRS'), MAX_QUEUE_PAIRS);
    assert.equal(await limit('cuse/port.h', 'VH_CUSE_PAIRS'), MAX_QUEUE_PAIRS);
  });
});
