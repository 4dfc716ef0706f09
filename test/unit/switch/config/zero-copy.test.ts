import { strict as assert } from 'node:assert';
import type { Config } from '../../../../src/switch/config/config.js';
import type { Flags } from '../../../../src/switch/config/settings.js';
import { fakeHost } from '../support.js';
import { resolveSettings } from '../../../../src/switch/config/resolve-settings.js';

async function resolved(config: Config, flags: Flags = {}): Promise<unknown[]> {
  const settings = await resolveSettings(fakeHost({}), { file: null, config }, flags);
  const { zeroCopy, rxDescriptors, txDescriptors } = settings;
  return [zeroCopy, rxDescriptors, txDescriptors];
}

describe('zero copy: what goes together', () => {
  it("DPDK's vhost example's numbers, the file's, the flags'", async () => {
    const config = { zeroCopy: true, vm2vm: 'off', rxDescriptors: 128, txDescriptors: 256 } as const;
    assert.deepEqual(await resolved({}), [false, 32, 64]);
    assert.deepEqual(await resolved(config), [true, 128, 256]);
    assert.deepEqual(await resolved(config, { rxDescNum: 32, txDescNum: 32_768 }), [true, 32, 32_768]);
    assert.deepEqual(await resolved({ zeroCopy: true, vm2vm: 'off' }, { zeroCopy: false }), [false, 32, 64]);
    assert.deepEqual(await resolved({}, { zeroCopy: true, vm2vm: 'off' }), [true, 32, 64]);
  });

  const wrong: [string, Config, RegExp, string][] = [
    [
      'zero copy between guests',
      { zeroCopy: true },
      /^--zero-copy 1 does not go with --vm2vm 1: between guests the switch copies$/,
      'vhost-host start --zero-copy 1 --vm2vm 0',
    ],
    [
      'descriptors without zero copy',
      { txDescriptors: 64 },
      /^--tx-desc-num \(txDescriptors\) only means something with --zero-copy 1$/,
      'vhost-host start --zero-copy 1',
    ],
    ...[0, 16, 48, 65_536].map((rxDescriptors): [string, Config, RegExp, string] => [
      `${rxDescriptors} descriptors`,
      { zeroCopy: true, vm2vm: 'off', rxDescriptors },
      new RegExp(`^--rx-desc-num \\(rxDescriptors\\): ${rxDescriptors} is no power of two from 32 to 32768$`),
      'vhost-host start --rx-desc-num 32',
    ]),
  ];
  for (const [what, config, message, hint] of wrong) {
    it(`${what}: refused, with what fixes it`, () =>
      assert.rejects(resolveSettings(fakeHost({}), { file: null, config }, {}), { code: 'USAGE', message, hint }));
  }
});
