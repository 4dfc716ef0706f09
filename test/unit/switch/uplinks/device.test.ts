import { strict as assert } from 'node:assert';
import { realHost } from '../../../../src/host/node-host.js';
import {
  checkDevice,
  deviceName,
  interfaceOf,
  remarkOn,
  resolveDevice,
} from '../../../../src/switch/uplinks/device.js';
import { failure } from '../support.js';
import type { FileStat, Host } from '../../../../src/host/host.js';

const NET_DEV = 'Inter-|   Receive\n face |bytes\n    lo: 0 0\n  eth1: 5 0\n';

function hostWith(facts: { interfaces?: string; drivers?: Readonly<Record<string, string | undefined>> }): Host {
  const address = (path: string): string => path.split('/')[5] ?? '';
  return {
    ...realHost,
    readOptional: (path) => Promise.resolve(path === '/proc/net/dev' ? (facts.interfaces ?? NET_DEV) : undefined),
    stat: (path) => (address(path) in (facts.drivers ?? {}) ? realHost.stat('/') : Promise.resolve(undefined)),
    realpath: (path) => {
      const driver = facts.drivers?.[address(path)];
      return Promise.resolve(driver === undefined ? undefined : `/sys/bus/pci/drivers/${driver}`);
    },
  };
}

describe('devices of uplinks', () => {
  it('have their full name', () => {
    assert.equal(deviceName('03:00.0'), '0000:03:00.0');
    assert.equal(deviceName('0000:0A:00.1,x=1'), '0000:0a:00.1,x=1');
    assert.equal(deviceName('net_tap0,iface=t'), 'net_tap0,iface=t');
    assert.equal(interfaceOf('net_af_packet0,blocksz=4096,iface=eth1'), 'eth1');
    assert.equal(interfaceOf('net_tap0,iface=t'), undefined);
  });

  it('are let through where DPDK can use them', async () => {
    const drivers = { '0000:03:00.0': 'vfio-pci', '0000:03:00.1': 'mlx5_core' };
    const host = hostWith({ drivers });
    for (const device of ['0000:03:00.0', '0000:03:00.1', 'net_tap0,iface=t', 'net_af_xdp0,iface=eth1']) {
      await checkDevice(host, device);
    }
  });

  it('are refused where the file of their IOMMU group is closed to a switch that is not root', async () => {
    const CARD = '0000:03:00.0';
    const file = { ...(await realHost.stat('/')), kind: 'other', uid: 0, gid: 0, mode: 0o600 } as FileStat;
    const host = (uid: number, group: FileStat, env: Readonly<Record<string, string>> = {}): Host => ({
      ...hostWith({ drivers: { [CARD]: 'vfio-pci' } }),
      uid: () => uid,
      env: (name) => env[name],
      stat: (path) => (path === '/dev/vfio/7' ? Promise.resolve(group) : realHost.stat('/')),
      realpath: (path) => Promise.resolve(path.endsWith('iommu_group') ? '/sys/kernel/iommu_groups/7' : '/x/vfio-pci'),
    });
    await checkDevice(host(0, file), CARD);
    await checkDevice(host(99, { ...file, uid: 99 }), CARD);
    await checkDevice(host(99, { ...file, mode: 0o660 }), CARD);
    const plain = await failure('UPLINK_FAILED', checkDevice(host(99, file), CARD));
    assert.equal(plain.message, `${CARD} takes /dev/vfio/7, which is closed to the switch`);
    assert.equal(plain.hint, 'start the switch as root');
    const service = await failure('UPLINK_FAILED', checkDevice(host(99, file, { INVOCATION_ID: 'x' }), CARD));
    assert.match(service.hint ?? '', new RegExp(`sudo vhost-host setup --boot --no-own-user --nic ${CARD} && `));
  });

  const bind = 'dpdk-devbind.py --bind=vfio-pci 0000:03:00.0';
  const cases: [string, string | undefined, string, string | undefined][] = [
    ['0000:04:00.0', undefined, 'there is no PCI device 0000:04:00.0', 'ls /sys/bus/pci/devices'],
    ['0000:03:00.0', undefined, '0000:03:00.0 is bound to no driver, DPDK needs vfio-pci', bind],
    ['0000:03:00.0', 'ixgbe', "0000:03:00.0 is in use by the kernel's driver ixgbe, DPDK needs vfio-pci", bind],
    ['net_af_packet0,iface=eth9', undefined, 'there is no network interface eth9', 'ip link'],
    ['net_af_xdp0', undefined, 'net_af_xdp0 names no interface', 'net_af_xdp0,iface=eth1'],
    [
      'eth1',
      undefined,
      'eth1 is no PCI address, no network interface, and no virtual device such as net_tap0',
      'ip link',
    ],
  ];
  for (const [device, driver, message, hint] of cases) {
    it(`${device}: ${message}`, async () => {
      const error = await failure(
        'UPLINK_FAILED',
        checkDevice(hostWith({ drivers: { '0000:03:00.0': driver } }), device),
      );
      assert.deepEqual([error.message, error.hint], [message, hint]);
    });
  }
});

describe("the kernel's interfaces as uplinks", () => {
  const host = hostWith({ interfaces: `${NET_DEV}net_tap0: 1\n  br0:1: 5 0\n` });
  const cases: [string, string[], string][] = [
    ['eth1', [], 'net_af_packet0,iface=eth1'],
    ['eth1', ['net_af_packet0,iface=lo', 'net_af_packet1'], 'net_af_packet2,iface=eth1'],
    ['eth1,framesz=4096', [], 'net_af_packet0,iface=eth1,framesz=4096'],
    // Linux lets a name have a colon.
    ['br0:1', [], 'net_af_packet0,iface=br0:1'],
    ['eth9', [], 'eth9'],
    ['net_tap0', [], 'net_tap0'],
    ['03:00.0', [], '0000:03:00.0'],
  ];
  for (const [asked, others, device] of cases) {
    it(`${asked} is ${device}`, async () => assert.equal(await resolveDevice(host, asked, others), device));
  }

  it('one without end is told of', () => {
    assert.match(remarkOn('net_null0') ?? '', /^net_null0 gives frames without end.*net_null0,no-rx=1\)$/);
    assert.match(remarkOn('net_null12,size=64') ?? '', /net_null12/);
    assert.equal(remarkOn('net_null0,no-rx=1'), undefined);
    assert.equal(remarkOn('net_af_packet0,iface=eth1'), undefined);
  });
});
