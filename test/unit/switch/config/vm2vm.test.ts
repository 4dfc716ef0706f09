import { strict as assert } from 'node:assert';
import { SwitchClient } from '../../../../src/switch/client/client.js';
import type { Settings } from '../../../../src/switch/config/settings.js';
import { checkVm2vm, portMisfit } from '../../../../src/switch/config/vm2vm.js';
import { failure, settingsFor, withDaemon } from '../support.js';

const card = { name: 'net', device: 'net_null0' };
const fit = { vm2vm: 'hardware', vlan: 'auto', uplinks: [card] } as const;

describe('switching by a card (--vm2vm 2)', () => {
  it('wants one uplink and ports of VLAN mode auto', () => {
    checkVm2vm(settingsFor('/r', fit));
    checkVm2vm(settingsFor('/r', { ...fit, ports: [{ name: 'a' }, { name: 'b', vlan: 'auto' }] }));
    checkVm2vm(settingsFor('/r', { vm2vm: 'off' }));
  });

  const line = 'vhost-host start --vm2vm 2 --vlan auto --uplink net=0000:03:00.0';
  const software = 'vhost-host start --vm2vm 1';
  const cases: [string, Partial<Settings>, string][] = [
    ['no uplink is named', { uplinks: [] }, line],
    ['2 uplinks are named, and just one card can do it', { uplinks: [card, { ...card, name: 'b' }] }, software],
    ['it tells guests apart by the tags of VLAN mode auto, not of none', { vlan: 'none' }, line],
    [
      'it tells guests apart by the tags of VLAN mode auto, and port b has access:5',
      { ports: [{ name: 'a' }, { name: 'b', vlan: 'access:5' }] },
      software,
    ],
    ['uplink net has several queues of its own', { uplinks: [{ ...card, queues: 2 }] }, software],
    ['uplink net is to use no pools of its card', { uplinks: [{ ...card, pools: 0 }] }, software],
  ];
  for (const [reason, change, hint] of cases) {
    it(`refused: ${reason}`, async () => {
      const error = await failure('CONFIG_INVALID', () => checkVm2vm(settingsFor('/r', { ...fit, ...change })));
      const message = `--vm2vm 2: the card cannot switch between guests: ${reason}`;
      assert.deepEqual([error.message, error.hint], [message, hint]);
    });
  }

  it('a running switch takes no port that the card could not know', () =>
    withDaemon(async ({ runDir, binding }) => {
      const client = new SwitchClient(runDir);
      assert.equal(binding.addedUplinks[0]?.loops, true);
      const error = await failure('PORT_FAILED', client.addPort({ name: 'a', vlan: 'none' }));
      assert.equal(error.message, 'port a: with --vm2vm 2 ports have VLAN mode auto, not none');
      assert.equal(error.hint, software);
      for (let i = 0; i < binding.limits.poolTags; i++) await client.addPort({ name: `p${i}` });
      const beyond = await failure('PORT_FAILED', client.addPort({ name: 'a' }));
      assert.match(beyond.message, /^port a: with --vm2vm 2 there are at most 32 ports/);
      // Numbers are given anew, the lowest first.
      await client.removePort('p5');
      assert.equal((await client.addPort({ name: 'a' })).id, 5);
    }, fit));

  it('a port misfits by its mode or its number', () => {
    assert.equal(portMisfit('auto', 31, 32), undefined);
    assert.match(portMisfit('auto', 32, 32) ?? '', /at most 32 ports/);
  });
});
