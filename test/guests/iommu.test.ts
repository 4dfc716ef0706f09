import assert from 'node:assert/strict';
import { guestBeside, switchBeside, watchBeside } from '../helpers/beside.js';
import { Guest } from '../helpers/guests/guest.js';
import { transfer } from '../helpers/net/network.js';
import { recipePort } from '../helpers/host/recipe.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** A card with ATS behind an IOMMU of the guest's; only one in a root port has ATS. */
const BEHIND = [
  ...['-machine', 'q35', '-device', 'intel-iommu,intremap=off,device-iotlb=on'],
  ...['-device', 'pcie-root-port,id=port0,chassis=1,slot=1'],
];

/** Frames that come while translations are asked for are lost: some are answered, not all. */
async function reaches(from: Guest, address: string): Promise<void> {
  const output = await from.sh(`ping -c 10 -i 0.2 -W 5 ${address}`, { deadline: 60_000 });
  assert.match(output, /[1-9]\d* packets received/);
}

describe('Linux guests with iommu_platform=on, started through qemu-wrap', function () {
  this.timeout(240_000);
  const scope = new Scope();
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let behind: Guest;
  let packed: Guest;
  let plain: Guest;

  before(async () => {
    noLeaks = await watchBeside();
    vswitch = await switchBeside(scope);
    const { runDir } = vswitch;
    const device = 'iommu_platform=on,disable-legacy=on';
    const inPort = `${device},ats=on,bus=port0`;
    const bootBehind = (name: string, mac: string, more: string): Promise<Guest> => {
      const guest = guestBeside({ name, mac, device: `${inPort}${more}`, runDir });
      return Guest.boot(scope, { ...guest, args: [...BEHIND, ...guest.args], append: 'intel_iommu=on ipv6.disable=1' });
    };
    [behind, packed, plain] = await Promise.all([
      bootBehind('behind', '52:54:00:00:00:21', ''),
      bootBehind('packed', '52:54:00:00:00:23', ',packed=on'),
      Guest.boot(scope, guestBeside({ name: 'plain', mac: '52:54:00:00:00:22', device, runDir })),
    ]);
    await behind.address('10.0.0.21/24');
    await plain.address('10.0.0.22/24');
    await packed.address('10.0.0.23/24');
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  it('the card of one stands behind the IOMMU, and its driver flushes it as a whole', async () => {
    const type = await behind.sh('cat $(dirname $(readlink -f /sys/class/net/eth0/device))/iommu_group/type');
    assert.equal(type.trim(), 'DMA-FQ');
    assert.ok((await vswitch.port(recipePort('behind'))).features.includes('iommu_platform'));
    // QEMU does not take it for a guest whose addresses need no translation.
    assert.ok(!(await vswitch.port(recipePort('plain'))).features.includes('iommu_platform'));
  });

  it('they reach each other, and data arrives unchanged', async () => {
    await reaches(behind, '10.0.0.22');
    await reaches(plain, '10.0.0.21');
    await transfer(behind, plain, '10.0.0.22', 1);
    await transfer(plain, behind, '10.0.0.21', 1);
  });

  it('a switch that was killed is followed by one that knows no address: rings of both kinds go on', async () => {
    const { pid } = await vswitch.status();
    await reaches(packed, '10.0.0.22');
    assert.ok((await vswitch.port(recipePort('packed'))).features.includes('packed_vq'));
    process.kill(pid, 'SIGKILL');
    await vswitch.process?.ended;
    const { runDir } = vswitch;
    vswitch = await Switch.start(scope, { runDir, args: ['--hugepages', 'off'] });
    for (const name of ['behind', 'packed', 'plain'])
      await until(
        async () => (await vswitch.ports()).some((port) => port.name === recipePort(name) && port.state === 'ready'),
        {
          deadline: 30_000,
          what: `guest ${name} to come back`,
        },
      );
    await reaches(behind, '10.0.0.22');
    await reaches(packed, '10.0.0.22');
    await reaches(plain, '10.0.0.23');
    await transfer(packed, plain, '10.0.0.22', 1);
    await transfer(plain, packed, '10.0.0.23', 1);
  });

  it('one that reboots is served again', async () => {
    await behind.reboot();
    await behind.address('10.0.0.21/24');
    await reaches(behind, '10.0.0.22');
  });
});
