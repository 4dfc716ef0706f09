import { strict as assert } from 'node:assert';
import { checkAddresses, chooseAddresses } from '../../../../src/switch/uplinks/iova-mode.js';
import { Descriptors } from '../../../../src/switch/descriptors.js';
import { startEngine } from '../../../../src/switch/engine.js';
import { engineDevice } from '../../../../src/switch/uplinks/device-arguments.js';
import { FakeBinding } from '../../../helpers/fake-binding.js';
import { failure, fakeHost, settingsFor } from '../support.js';
import type { Host } from '../../../../src/host/host.js';

const CARD = '0000:03:00.0';
const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB';

interface Facts {
  readonly driver?: string;
  readonly group?: string;
  readonly free?: number;
}

function hostWith({ driver, group, free = 0 }: Facts, more: Readonly<Record<string, string>> = {}): Host {
  const files = {
    ...more,
    ...(group === undefined ? {} : { [`/sys/bus/pci/devices/${CARD}/iommu_group/name`]: `${group}\n` }),
    ...{ [`${POOL}/nr_hugepages`]: `${free}\n`, [`${POOL}/free_hugepages`]: `${free}\n` },
  };
  const realpath = (path: string): Promise<string | undefined> =>
    Promise.resolve(
      driver !== undefined && path === `/sys/bus/pci/devices/${CARD}/driver`
        ? `/sys/bus/pci/drivers/${driver}`
        : undefined,
    );
  return { ...fakeHost({ files }), realpath };
}

const uplinks = [
  { name: 'other', device: 'net_tap0' },
  { name: 'net', device: '03:00.0,arg=1' },
];

describe('addresses that cards are told', () => {
  const cases: readonly (readonly [Facts, string | undefined])[] = [
    [{ driver: 'vfio-pci' }, undefined],
    [{ driver: 'vfio-pci', group: 'something' }, undefined],
    [{ driver: 'mlx5_core' }, undefined],
    [{}, undefined],
    [{ driver: 'vfio-pci', group: 'vfio-noiommu' }, `${CARD} is bound to vfio-pci without an IOMMU`],
    [{ driver: 'uio_pci_generic' }, `${CARD} is bound to uio_pci_generic`],
    [{ driver: 'igb_uio' }, `${CARD} is bound to igb_uio`],
  ];
  for (const [facts, reason] of cases) {
    it(`${JSON.stringify(facts)}: ${reason === undefined ? 'virtual' : 'physical'}`, async () => {
      const addresses = reason === undefined ? 'virtual' : 'physical';
      assert.deepEqual(await chooseAddresses(hostWith(facts), uplinks), { addresses, reason });
    });
  }

  it('a card that no IOMMU holds back takes rights that the service has not, and set-up gives', async () => {
    const status = (mask: string): Record<string, string> => ({
      '/proc/self/status': `Name:\tnode\nCapEff:\t${mask}\n`,
    });
    const without = hostWith({ driver: 'uio_pci_generic' }, status('0000000000083006'));
    const error = await failure('UPLINK_FAILED', chooseAddresses(without, uplinks));
    assert.deepEqual(
      [error.message, error.hint],
      [
        `${CARD} is bound to uio_pci_generic, which takes CAP_SYS_ADMIN and CAP_SYS_RAWIO`,
        `for the service: sudo vhost-host setup --nic ${CARD} --nic-driver uio_pci_generic --boot`,
      ],
    );
    const half = hostWith({ driver: 'vfio-pci', group: 'vfio-noiommu' }, status('0000000000203006'));
    assert.match((await failure('UPLINK_FAILED', chooseAddresses(half, uplinks))).hint ?? '', /--nic \S+ --boot$/);
    assert.equal(
      (await chooseAddresses(hostWith({ driver: 'igb_uio' }, status('00000000002a3006')), uplinks)).addresses,
      'physical',
    );
    assert.equal((await chooseAddresses(hostWith({ driver: 'vfio-pci' }, status('0')), uplinks)).addresses, 'virtual');
  });

  it('a card that came too late is refused with what to start again with, and only such a card', async () => {
    const spec = { name: 'net', device: CARD };
    const host = hostWith({ driver: 'uio_pci_generic' });
    const error = await failure('UPLINK_FAILED', checkAddresses(host, 'virtual', spec));
    assert.deepEqual(
      [error.message, error.hint],
      [
        `${CARD} is bound to uio_pci_generic, which works only in a switch that is started with it`,
        `vhost-host stop && vhost-host start --uplink net=${CARD}`,
      ],
    );
    await checkAddresses(host, 'physical', spec);
    await checkAddresses(hostWith({ driver: 'vfio-pci' }), 'virtual', spec);
  });
});

describe('an engine that tells physical addresses', () => {
  const start = async (facts: Facts, hugepages: 'auto' | 'off'): Promise<FakeBinding> => {
    const binding = new FakeBinding();
    const settings = settingsFor('/run/x', { uplinks, hugepages });
    const host = hostWith({ driver: 'igb_uio', ...facts });
    const dma = await chooseAddresses(host, settings.uplinks);
    const descriptors = await Descriptors.measure(host, () => undefined);
    await startEngine({ host, binding, settings, dma, descriptors }, () => undefined);
    return binding;
  };

  it('has its memory in hugepages', async () => {
    const { started } = await start({ free: 32 }, 'auto');
    assert.deepEqual([started?.physicalAddresses, started?.hugepages], [true, true]);
  });

  it('does not start without', async () => {
    const off = await failure('HUGEPAGES_TOO_FEW', start({ free: 32 }, 'off'));
    assert.equal(off.message, `${CARD} is bound to igb_uio, which needs hugepages, and they are switched off`);
    assert.equal(off.hint, 'vhost-host start --hugepages auto');
    const few = await failure('HUGEPAGES_TOO_FEW', start({ free: 31 }, 'auto'));
    assert.match(few.message, /need 32 pages of 2048 kB, 31 are free/);
  });
});

describe('arguments of net_af_packet', () => {
  const base = 'net_af_packet0,iface=eth1';
  it('follow queues and MTU, unless the user has them', () => {
    assert.equal(engineDevice(base, { queues: 1, mtu: 0 }), base);
    assert.equal(engineDevice(base, { queues: 1, mtu: 1500 }), base);
    assert.equal(engineDevice(base, { queues: 2, mtu: 0 }), `${base},qpairs=2`);
    assert.equal(engineDevice(base, { queues: 1, mtu: 9000 }), `${base},framesz=9216,blocksz=36864`);
    assert.equal(engineDevice(`${base},framesz=16384`, { queues: 1, mtu: 9000 }), `${base},framesz=16384`);
    assert.equal(engineDevice(`${base},qpairs=4`, { queues: 4, mtu: 0 }), `${base},qpairs=4`);
    assert.equal(engineDevice('net_tap0', { queues: 2, mtu: 9000 }), 'net_tap0');
  });

  it('that leave frames where nobody looks are refused', async () => {
    const error = await failure('UPLINK_FAILED', () => engineDevice(`${base},qpairs=4`, { queues: 1, mtu: 0 }));
    assert.deepEqual(
      [error.message, error.hint],
      ['net_af_packet0 has qpairs=4, and 1 of them would be polled', '--queues 4'],
    );
  });
});
