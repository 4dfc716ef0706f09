import assert from 'node:assert/strict';
import { explainWaiting } from '../../../../src/cli/switch/ports-waiting.js';
import type { FileStat, Host } from '../../../../src/host/host.js';
import type { Missing, Port } from '../../../../src/switch/model/schema.js';

const SOCKET = '/run/vhost-host/port-web.sock';
const PASSWD = 'root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:64055:108::/var/lib/libvirt:/usr/sbin/nologin\n';
const GROUP = 'kvm:x:108:\nvhost:x:120:libvirt-qemu\nother:x:121:\n';
const NOBODY: Missing = { reason: 'no_front_end', text: 'nobody is connected to its socket', hint: null };

/** What `ports` says is missing of one port, on a host with this socket and these files. */
async function missing(
  socket: Pick<FileStat, 'uid' | 'gid' | 'mode'> | undefined,
  { conf = '', port = {}, group = GROUP } = {},
): Promise<Missing | null | undefined> {
  const files: Readonly<Record<string, string | undefined>> = {
    '/etc/passwd': PASSWD,
    '/etc/group': group,
    '/etc/libvirt/qemu.conf': conf,
  };
  const directory = { kind: 'directory', uid: 0, gid: 0, mode: 0o755 } as FileStat;
  const host = {
    readOptional: (path: string) => Promise.resolve(files[path]),
    stat: (path: string) =>
      Promise.resolve(
        path !== SOCKET ? directory : socket === undefined ? undefined : ({ ...socket, kind: 'socket' } as FileStat),
      ),
  } as unknown as Host;
  const given = { name: 'web', socket: SOCKET, transports: ['user'], missing: NOBODY, ...port } as Port;
  return (await explainWaiting(host, [given]))[0]?.missing;
}

describe('why nobody is connected to a port', () => {
  it('the user of libvirt is in no group that may: the reason, and the setting that fixes it', async () => {
    const found = await missing({ uid: 0, gid: 121, mode: 0o660 });
    assert.deepEqual(found, {
      reason: 'permission',
      text: `${SOCKET}: user libvirt-qemu may not write to it`,
      hint: '"socket": { "group": … } of the switch\'s configuration: a group that libvirt-qemu is in',
    });
  });

  it('its own group, one that it is a member of, or everybody: nothing to add', async () => {
    for (const socket of [
      { uid: 0, gid: 108, mode: 0o660 },
      { uid: 0, gid: 120, mode: 0o660 },
      { uid: 0, gid: 121, mode: 0o666 },
      { uid: 64055, gid: 0, mode: 0o600 },
    ]) {
      assert.deepEqual(await missing(socket), NOBODY, JSON.stringify(socket));
    }
  });

  it('the user and group that qemu.conf names are the ones that count', async () => {
    const closed = { uid: 0, gid: 121, mode: 0o660 };
    assert.deepEqual(await missing(closed, { conf: 'user = "root"\n' }), NOBODY);
    assert.deepEqual(await missing(closed, { conf: 'group = "other"\n' }), NOBODY);
    assert.equal((await missing(closed, { conf: 'user = "+64055"\ngroup = "kvm"\n' }))?.reason, 'permission');
  });

  it('says nothing of hosts without libvirt, ports that lack something else, and guests by CUSE', async () => {
    const closed = { uid: 0, gid: 121, mode: 0o660 };
    const without: Promise<Missing | null | undefined> = missing(closed, { port: { transports: ['cuse'] } });
    assert.deepEqual(await without, NOBODY);
    const rings = { ...NOBODY, reason: 'no_rings' };
    assert.deepEqual(await missing(closed, { port: { missing: rings } }), rings);
    assert.equal(await missing(closed, { port: { missing: null } }), null);
    const host = { readOptional: () => Promise.resolve(undefined), stat: () => Promise.reject(new Error('asked')) };
    const port = { name: 'web', socket: SOCKET, transports: ['user'], missing: NOBODY } as unknown as Port;
    assert.deepEqual((await explainWaiting(host as unknown as Host, [port]))[0], port);
  });
});
