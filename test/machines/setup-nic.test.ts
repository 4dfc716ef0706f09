import assert from 'node:assert/strict';
import { planNic } from '../../src/hostsetup/nic/plan.js';
import type { NicSpec } from '../../src/hostsetup/nic/plan.js';
import { guestHost } from '../helpers/guests/guest-host.js';
import type { Guest } from '../helpers/guests/guest.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { Scope } from '../helpers/scope.js';
import { doSteps, undoSteps } from '../helpers/host/steps.js';
import { CARD, bootUdevGuest } from '../helpers/guests/udev-guest.js';
import type { Host } from '../../src/host/host.js';

describe('setup: a real network card, in a guest with a real udev', function () {
  this.timeout(120_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let guest: Guest;
  let host: Host;

  before(async () => {
    noLeaks = await watchForLeaks({ pages: false });
    guest = await bootUdevGuest(scope);
    host = guestHost(guest);
  });
  after(async () => {
    await scope.close();
    await noLeaks();
  });

  const driver = async (): Promise<string> =>
    (await guest.sh(`basename $(readlink /sys/bus/pci/devices/${CARD}/driver) 2>/dev/null || true`)).trim();
  const interfaces = async (): Promise<string> => (await guest.sh('ls -1 /sys/class/net')).trim();

  async function set(wanted: NicSpec['driver'], now = true): Promise<string[]> {
    const { steps } = await planNic(host, { address: CARD, driver: wanted, now });
    return doSteps(host, steps);
  }

  it('goes to vfio-pci at once, and back to its own driver', async () => {
    assert.deepEqual([await driver(), await interfaces()], ['virtio-pci', 'eth0\nlo']);
    assert.deepEqual(await set('vfio-pci'), [`nic-${CARD}`]);
    assert.deepEqual([await driver(), await interfaces()], ['vfio-pci', 'lo']);
    assert.deepEqual(await set('vfio-pci'), []);
    await undoSteps(host);
    assert.deepEqual([await driver(), await interfaces()], ['virtio-pci', 'eth0\nlo']);
    assert.equal((await guest.run('find /etc/udev/rules.d /var/lib -type f | grep .')).status, 1);
  });

  it('goes to vfio-pci, and back, beside a udev that is only just starting', async () => {
    for (let round = 0; round < 4; round++) {
      // By a signal: the one before may be as young, and deaf to `udevadm control --exit`.
      await guest.sh('kill $(pidof systemd-udevd); while pidof systemd-udevd; do :; done; systemd-udevd --daemon');
      assert.deepEqual(await set('vfio-pci'), [`nic-${CARD}`]);
      assert.equal(await driver(), 'vfio-pci');
      await undoSteps(host);
      assert.equal(await driver(), 'virtio-pci');
    }
  });

  it('goes to uio_pci_generic at boot, also where its own driver has it already', async () => {
    await set('uio_pci_generic', false);
    assert.equal(await driver(), 'virtio-pci');
    // What systemd does at boot for all devices that were there before udev.
    await guest.sh('udevadm control --reload && udevadm trigger --type=devices --action=add --settle');
    assert.equal(await driver(), 'uio_pci_generic');
    await undoSteps(host);
    assert.equal(await driver(), 'virtio-pci');
  });

  it('that carries an address is refused, and stays where it is', async () => {
    await guest.address('192.0.2.7/24');
    await assert.rejects(set('vfio-pci'), { message: `${CARD} (eth0, virtio-pci) is in use: a route on eth0` });
    assert.equal(await driver(), 'virtio-pci');
  });
});
