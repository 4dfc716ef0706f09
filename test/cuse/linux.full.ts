import { writeFile } from 'node:fs/promises';
import { Guest } from '../helpers/guest.js';
import { ping } from '../helpers/network.js';
import { bin, root, tempDir } from '../helpers/paths.js';
import { PingGuest } from '../helpers/ping-guest.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';

/** Minutes: an emulated processor emulates another, which boots Linux. */
const SLOW = 900_000;

describe('Linux on /dev/usvhost-1', function () {
  this.timeout(2 * SLOW);
  const scope = new Scope();
  after(() => scope.close());

  it('pings a guest on vhost-user', async () => {
    const runDir = `${await tempDir(scope)}/run`;
    const config = `${await tempDir(scope)}/switch.json`;
    await writeFile(config, JSON.stringify({ ports: [{ name: 'linux-hostnet1', transports: ['cuse'] }] }));
    await Switch.start(scope, { runDir, args: ['--config', config, '--hugepages', 'off'], deadline: SLOW });
    await PingGuest.start(scope, { name: 'answering', me: 2, runDir });
    const linux = await Guest.start(scope, {
      name: 'linux',
      command: bin.qemuWrap,
      args: ['-m', '192', '-netdev', 'tap,id=hostnet1,vhost=on', '-device', 'virtio-net-pci,netdev=hostnet1,id=net1'],
      kernel: `${root}build/machine/bundle/vmlinux`,
      env: { VHOST_HOST_RUN_DIR: runDir },
    });
    await linux.ready(0, SLOW);
    await linux.address('10.0.0.9/24');
    await ping(linux, '10.0.0.2', 3);
  });
});
