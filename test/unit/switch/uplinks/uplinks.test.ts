import { strict as assert } from 'node:assert';
import { realHost } from '../../../../src/host/node-host.js';
import { SwitchClient } from '../../../../src/switch/client/client.js';
import { remarkOn } from '../../../../src/switch/uplinks/device.js';
import { UplinkTable } from '../../../../src/switch/uplinks/uplink-table.js';
import { parseVlan } from '../../../../src/switch/model/vlan.js';
import { FakeBinding } from '../../../helpers/fake-binding.js';
import { failure, withDaemon } from '../support.js';
import type { Host } from '../../../../src/host/host.js';

const NET_DEV = 'Inter-|   Receive\n face |bytes\n    lo: 0 0\n  eth1: 5 0\n';

describe('uplinks of a switch', () => {
  const device = 'net_af_packet0,iface=eth1';
  const spec = { name: 'net', device };

  interface Facts {
    interfaces: string;
    poolsFit: boolean;
    guest: { name: string; id: number } | undefined;
  }

  function table(byCard = false): {
    binding: FakeBinding;
    uplinks: UplinkTable;
    said: string[];
    facts: Facts;
  } {
    const binding = new FakeBinding();
    const said: string[] = [];
    const facts: Facts = { interfaces: NET_DEV, poolsFit: true, guest: undefined };
    const host: Host = { ...realHost, readOptional: () => Promise.resolve(facts.interfaces) };
    return {
      binding,
      said,
      facts,
      uplinks: new UplinkTable({
        ...{ host, binding, byCard, addresses: 'virtual' },
        log: (line) => void said.push(line),
        poolsFit: () => facts.poolsFit,
        connectedFrom: (least) => (facts.guest !== undefined && facts.guest.id >= least ? facts.guest : undefined),
        isPort: (name) => name === 'guest',
      }),
    };
  }

  it('has no name that a port has', async () => {
    const { uplinks } = table();
    const error = await failure('UPLINK_EXISTS', uplinks.add({ name: 'guest', device }, 'api'));
    assert.equal(error.message, 'uplink guest: a port has this name');
  });

  it("takes a kernel's interface by its name, and two of them", async () => {
    const { binding, uplinks, facts } = table();
    facts.interfaces = `${NET_DEV}  eth2: 5 0\n`;
    const first = await uplinks.add({ name: 'lan', device: 'eth1' }, 'api');
    const second = await uplinks.add({ name: 'dmz', device: 'eth2' }, 'api');
    const devices = ['net_af_packet0,iface=eth1', 'net_af_packet1,iface=eth2'];
    assert.deepEqual([first.device, second.device], devices);
    assert.deepEqual(
      binding.addedUplinks.map((added) => added.device),
      devices,
    );
  });

  it('a link is told when it changes, and only then', async () => {
    const { binding, said, uplinks } = table();
    await uplinks.add(spec, 'api');
    await uplinks.watch();
    await uplinks.watch();
    Object.assign(binding.uplinkList[0] ?? {}, { state: 'down' });
    await uplinks.watch();
    assert.deepEqual(said, ['uplink net (256): its link is up', 'uplink net (256): its link is down']);
  });

  it('VMDq is given up, with the reason, when a port comes that it does not fit', async () => {
    const { binding, said, facts, uplinks } = table();
    await uplinks.add(spec, 'api');
    Object.assign(binding.uplinkList[0] ?? {}, { pools: 7 });
    await uplinks.watch();
    assert.equal(uplinks.joined()[0]?.[1].pools, 7);
    facts.poolsFit = false;
    await uplinks.watch();
    assert.equal(uplinks.joined()[0]?.[1].pools, 0);
    assert.ok(said.includes('uplink net (256): VMDq is given up: it knows only VLAN mode auto'));
    assert.equal(binding.tended, 2);
  });

  it('more guests than pools: told once, and as many pools as were asked for', async () => {
    const { binding, said, facts, uplinks } = table();
    await uplinks.add({ ...spec, pools: 2 }, 'api');
    await uplinks.add({ name: 'all', device: 'net_null1', pools: 99 }, 'api');
    assert.deepEqual(
      binding.addedUplinks.map(({ pools, loops }) => [pools, loops]),
      [
        [2, false],
        [7, false],
      ],
    );
    Object.assign(binding.uplinkList[0] ?? {}, { pools: 2 });
    facts.guest = { name: 'b', id: 1 };
    await uplinks.watch();
    const before = said.length;
    facts.guest = { name: 'c', id: 2 };
    await uplinks.watch();
    await uplinks.watch();
    assert.deepEqual(said.slice(before), [
      'uplink net (256): VMDq has pools for 2 guests; port c (2), as others above 1, is sorted in software',
    ]);
  });

  it('where a card switches between guests there is one, and a card that cannot is refused with what fixes it', async () => {
    const { binding, uplinks } = table(true);
    binding.addError = Object.assign(new Error('its device cannot'), { code: 'EOPNOTSUPP' });
    const refused = await failure('UPLINK_FAILED', uplinks.add(spec, 'config'));
    assert.deepEqual([refused.message, refused.hint], ['uplink net: its device cannot', 'vhost-host start --vm2vm 1']);
    binding.addError = undefined;
    await uplinks.add(spec, 'config');
    assert.equal(binding.addedUplinks[0]?.loops, true);
    const second = await failure('UPLINK_LIMIT', uplinks.add({ name: 'b', device: 'net_null0' }, 'api'));
    assert.equal(second.message, 'uplink b: with --vm2vm 2 there is one uplink, net');
  });

  it('a device that has gone stays in the list, and is tried again until it is back', async () => {
    const { binding, said, facts, uplinks } = table();
    await uplinks.add(spec, 'api');
    Object.assign(binding.uplinkList[0] ?? {}, { state: 'gone' });
    facts.interfaces = '';
    await uplinks.watch();
    // There again, but not up yet: the driver refuses it, and has let go of the old one.
    facts.interfaces = NET_DEV;
    binding.addError = new Error('down');
    await uplinks.watch();
    assert.deepEqual([binding.uplinkList.length, uplinks.joined()[0]?.[1].state], [0, 'gone']);
    binding.addError = undefined;
    await uplinks.watch();
    assert.equal(uplinks.joined()[0]?.[1].state, 'up');
    assert.equal(said.at(-1), 'uplink net (256): its device is back');
    Object.assign(binding.uplinkList[0] ?? {}, { state: 'gone' });
    binding.addError = new Error('down');
    await uplinks.watch();
    await uplinks.remove('net');
    assert.deepEqual(uplinks.joined(), []);
  });

  it("the engine's refusals have a code, and a hint where one is known", async () => {
    const { binding, uplinks } = table();
    const refuse = (code: string): void => void (binding.addError = Object.assign(new Error('no'), { code }));
    refuse('ENODEV');
    const missing = await failure('UPLINK_FAILED', uplinks.add({ name: 'a', device: 'net_bonding0' }, 'api'));
    assert.deepEqual([missing.message, missing.hint], ['uplink a: no', 'apt-get install librte-net-bonding23']);
    refuse('EADDRNOTAVAIL');
    const copies = await failure('UPLINK_FAILED', uplinks.add(spec, 'api'));
    assert.equal(copies.hint, 'vhost-host start --zero-copy 0');
    refuse('ENOSPC');
    await failure('UPLINK_LIMIT', uplinks.add(spec, 'api'));
    refuse('EEXIST');
    await failure('UPLINK_EXISTS', uplinks.add(spec, 'api'));
    binding.addError = undefined;
    await uplinks.add(spec, 'api');
    await failure('UPLINK_EXISTS', uplinks.add(spec, 'api'));
    await failure('UPLINK_UNKNOWN', uplinks.remove('b'));
  });

  it('those of the configuration are there before the ports, and go with the switch', () =>
    withDaemon(
      async ({ runDir, log }) => {
        const { uplinks } = await new SwitchClient(runDir).uplinks();
        assert.deepEqual(uplinks, [
          {
            ...{ id: 256, name: 'net', device: 'net_null0', driver: 'net_fake', origin: 'config', state: 'up' },
            ...{
              mac: '02:00:00:00:01:00',
              speedMbps: null,
              mtu: 1500,
              queues: 1,
              workers: [0],
              unknownUnicast: 'drop',
            },
            ...{
              forwardReserved: false,
              buffers: 100,
              buffersFree: 90,
              offloads: [],
              remark: remarkOn('net_null0') ?? null,
              pools: null,
              zeroCopied: null,
              zeroCopiedIn: null,
              macs: 0,
            },
          },
        ]);
        assert.ok(log.some((line) => line.endsWith('uplink net (256) on net_null0')));
      },
      { uplinks: [{ name: 'net', device: 'net_null0' }] },
    ));
});

describe('VLAN modes', () => {
  it('are read', () => {
    assert.deepEqual(parseVlan('none'), { mode: 'none', vlans: [0] });
    assert.deepEqual(parseVlan('auto'), { mode: 'auto', vlans: [0] });
    assert.deepEqual(parseVlan('access:4094'), { mode: 'access', vlans: [4094] });
    assert.deepEqual(parseVlan('trunk:0,10-12,11'), { mode: 'trunk', vlans: [0, 10, 11, 12] });
    assert.equal(parseVlan('trunk:all')?.vlans.length, 4095);
  });

  for (const text of [
    '',
    'trunk',
    'trunk:',
    'access:',
    'access:0',
    'access:4095',
    'access:1-2',
    'trunk:5-4',
    'trunk:x',
    'Auto',
  ]) {
    it(`"${text}" is none`, () => assert.equal(parseVlan(text), undefined));
  }
});
