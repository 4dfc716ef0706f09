import { strict as assert } from 'node:assert';
import { mayGiveTo } from '../../../../src/switch/rights.js';
import { refuseServicePlace } from '../../../../src/switch/run-dir/service-place.js';
import { resolveSettings } from '../../../../src/switch/config/resolve-settings.js';
import { failure, fakeHost } from '../support.js';

/** As a service of systemd has it, in its order. */
const MOUNTS = `22 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw
23 22 0:21 / /run rw - tmpfs tmpfs rw
24 22 8:1 /var /var rw - ext4 /dev/sda1 rw
25 22 8:1 /tmp/systemd-private-5e1-vhost-host.service-x/tmp /tmp rw - ext4 /dev/sda1 rw
26 24 8:1 /var/tmp/systemd-private-5e1-vhost-host.service-x/tmp /var/tmp rw - ext4 /dev/sda1 rw
27 22 0:23 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw
28 22 0:40 / /srv/two\\040words ro - xfs none rw
`;

const host = (files: Record<string, string>, env: Record<string, string> = { INVOCATION_ID: 'a' }) => ({
  ...fakeHost({ files, env }),
  realpath: (path: string) => Promise.resolve(path === '/var/run' ? '/run' : path),
});
const refuse = (socket: string, env?: Record<string, string>): Promise<void> =>
  refuseServicePlace(host({ '/proc/self/mountinfo': MOUNTS }, env), 'web', socket);

describe('places of sockets in a service', () => {
  it('are what it may write to and others see', async () => {
    for (const socket of ['/run/vhost-host/web.sock', '/var/run/web.sock', '/var/lib/x/web.sock']) await refuse(socket);
    const cases = [
      ['/tmp/web.sock', '/tmp is one of its own', 'PrivateTmp=no'],
      ['/var/tmp/a/web.sock', '/var/tmp is one of its own', 'PrivateTmp=no'],
      ['/home/u/web.sock', '/home is closed to it', 'ProtectHome=no'],
      ['/srv/web.sock', '/ is read-only for it', 'ReadWritePaths=/srv'],
      ['/runner.sock', '/ is read-only for it', 'ReadWritePaths=/'],
    ] as const;
    for (const [socket, words, setting] of cases) {
      const error = await failure('PORT_FAILED', refuse(socket));
      assert.ok(error.message.endsWith(`is no place for its socket: ${words}`), error.message);
      assert.ok(error.hint?.includes(`'[Service]\\n${setting}\\n' | sudo tee -a /etc/systemd/system/`), error.hint);
    }
    assert.equal(
      (await failure('PORT_FAILED', refuse('/srv/two words/x'))).hint,
      'vhost-host ports add web, without --socket',
    );
  });

  it('are any for who is no service, or where nobody tells', async () => {
    await refuse('/srv/web.sock', {});
    await refuseServicePlace(host({}), 'web', '/tmp/web.sock');
  });
});

describe('the group of sockets', () => {
  const status = (mask: string): Record<string, string> => ({
    '/proc/self/status': `Gid:\t0\t0\t0\t0\nGroups:\t27 107 \nCapEff:\t${mask}\n`,
    '/etc/group': 'kvm:x:107:\nother:x:1107:\n',
  });

  it('is one of the process, or any with CAP_CHOWN', async () => {
    for (const [mask, gid, may] of [
      ['0000000000083006', 107, true],
      ['0000000000083006', 0, true],
      ['0000000000083006', 10, false],
      ['0000000000083006', 1107, false],
      ['0000000000083007', 1107, true],
    ] as const)
      assert.equal(await mayGiveTo(host(status(mask)), gid), may, `${mask} ${gid}`);
    assert.equal(await mayGiveTo(host({}), 5), true);
  });

  it('that cannot be is refused at start, with the command that writes the service anew', async () => {
    const config = { socket: { group: 'other' } };
    const it = host(status('0000000000083006'));
    const error = await failure('CONFIG_INVALID', resolveSettings(it, { file: '/etc/a.json', config }, {}));
    assert.equal(
      error.message,
      "socket.group: sockets cannot be given to group other, which is none of the switch's own",
    );
    assert.equal(error.hint, 'for the service: sudo vhost-host setup --boot --config /etc/a.json');
    assert.equal((await resolveSettings(it, { file: null, config: {} }, {})).socketGid, 107);
  });
});
