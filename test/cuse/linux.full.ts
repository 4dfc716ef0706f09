import { writeFile } from 'node:fs/promises';
import { Guest } from '../helpers/guests/guest.js';
import { bin, root, tempDir } from '../helpers/paths.js';
import { PingGuest } from '../helpers/guests/ping-guest.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** Minutes: an emulated processor emulates another, which boots Linux. */
const SLOW = 900_000;
/** For one command of the guest's. */
const WAIT = { deadline: 120_000 };

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
    // One at a time: on a busy host an answer may take longer than a guest waits. The other guest knows one length.
    const ping = 'ping -c 1 -W 30 -s 32 10.0.0.2';
    const answered = async (): Promise<boolean> => (await linux.run(ping, WAIT)).status === 0;
    await until(answered, { deadline: SLOW, what: 'an answer to its ping' });
  });
});
