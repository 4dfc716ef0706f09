import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { missingOf } from '../../../../src/switch/ports/missing.js';
import { FakeBinding, countersOf } from '../../../helpers/fake-binding.js';
import { root } from '../../../helpers/paths.js';

/** The names that the engine has, from its own list. */
async function names(): Promise<string[]> {
  const header = await readFile(`${root}native/dpdk/vhost/port_lack.h`, 'utf8');
  return [...header.matchAll(/^\tX\([A-Z_]+, "([a-z_]+)"/gm)].map(([, name]) => name ?? '');
}

describe('what a port is missing', () => {
  it('is nothing, or a reason that stays, in words, with what fixes it where that is known', async () => {
    const binding = new FakeBinding();
    const native = { ...lacking(binding), lack: 'nothing', lackText: '' };
    assert.equal(missingOf(native), null);
    const all = await names();
    assert.ok(all.length > 8 && all[0] === 'nothing');
    const hinted = all.slice(1).filter((lack) => missingOf({ ...native, lack, lackText: 'words' })?.hint !== null);
    // Nobody has come yet, or the text of the ring says it all.
    assert.deepEqual(
      all.slice(1).filter((name) => !hinted.includes(name)),
      ['no_front_end', 'ring_refused'],
    );
    assert.deepEqual(missingOf({ ...native, lack: 'ring_refused', lackText: 'ring: too short' }), {
      reason: 'ring_refused',
      text: 'ring: too short',
      hint: null,
    });
  });

  it('has every reason in the documentation', async () => {
    const page = await readFile(`${root}docs/troubleshooting.md`, 'utf8');
    for (const name of (await names()).slice(1)) assert.ok(page.includes(`\`${name}\``), name);
  });
});

function lacking(binding: FakeBinding): ReturnType<FakeBinding['ports']>[number] {
  return {
    ...{ id: 0, name: 'a', socketPath: '/s', queuePairs: 1, connected: false, ready: false },
    ...{ features: 0n, memoryBytes: 0n, queues: [], lack: 'no_front_end', lackText: '' },
    counters: countersOf({}),
    ...binding.ports()[0],
  };
}
