import { guestBeside, switchBeside, watchBeside } from '../helpers/beside.js';
import { Child } from '../helpers/child.js';
import { Guest, machineArgs } from '../helpers/guests/guest.js';
import { withScope } from '../helpers/scope.js';
import { until } from '../helpers/until.js';

const address = '10.0.0.50';

const dhcpConfig = [
  `start ${address}`,
  `end ${address}`,
  'interface eth0',
  'option subnet 255.255.255.0',
  'lease_file /tmp/leases',
  'pidfile /tmp/udhcpd.pid',
];

describe("iPXE, QEMU's own boot ROM, as a guest", function () {
  this.timeout(150_000);

  it('gets an address by DHCP from a Linux guest', async () => {
    const noLeaks = await watchBeside();
    await withScope(async (scope) => {
      const vswitch = await switchBeside(scope);
      const server = await Guest.boot(
        scope,
        guestBeside({ name: 'server', mac: '52:54:00:00:00:21', runDir: vswitch.runDir }),
      );
      await server.address('10.0.0.1/24');
      await server.sh(`printf '%s\\n' ${dhcpConfig.map((line) => `'${line}'`).join(' ')} >/tmp/udhcpd.conf`);
      await server.sh('touch /tmp/leases; udhcpd -f /tmp/udhcpd.conf >/tmp/udhcpd.log 2>&1 &');

      // It uses one pair, whatever its card has.
      const card = { mac: '52:54:00:00:00:22', queues: 4 };
      const { command, args, env } = guestBeside({ name: 'rom', ...card, runDir: vswitch.runDir });
      const rom = await Child.start(scope, 'the iPXE guest', command, [...machineArgs('rom'), ...args, '-boot', 'n'], {
        ...(env === undefined ? {} : { env }),
      });
      await rom.waitFor(new RegExp(`net0: ${address.replaceAll('.', '\\.')}/`), { deadline: 90_000 });
      await until(async () => (await server.sh('cat /tmp/udhcpd.log')).includes(`sending ACK to ${address}`), {
        deadline: 10_000,
        what: "the server's word on the lease",
      });
    });
    await noLeaks();
  });
});
