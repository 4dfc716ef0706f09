import { strict as assert } from 'node:assert';
import { chmod, mkdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../../src/host/node-host.js';
import {
  MAX_SOCKET_PATH,
  apiSocketPath,
  checkSocketPath,
  claimSocketPath,
  portSocketPath,
  prepareRunDir,
  qemuGroup,
  resolveRunDir,
} from '../../../../src/switch/run-dir/paths.js';
import { failure, fakeHost, withDir } from '../support.js';
import type { FileStat } from '../../../../src/host/host.js';

describe('run directory: which one', () => {
  const env = { VHOST_HOST_RUN_DIR: '/srv/sw', XDG_RUNTIME_DIR: '/run/user/7' };

  it('is the one given, before the environment', () => {
    assert.equal(resolveRunDir(fakeHost({ env }), '/a/../b'), '/b');
    assert.equal(resolveRunDir(fakeHost({ env })), '/srv/sw');
  });

  it("is the system's for root and the user's own for a user", () => {
    assert.equal(resolveRunDir(fakeHost({ uid: 0 })), '/run/vhost-host');
    assert.equal(
      resolveRunDir(fakeHost({ uid: 7, env: { XDG_RUNTIME_DIR: '/run/user/7' } })),
      '/run/user/7/vhost-host',
    );
    assert.equal(resolveRunDir(fakeHost({ uid: 7 })), '/tmp/vhost-host-7');
  });

  it("keeps the ports' sockets apart from the API's, whatever a port is called", () => {
    for (const name of ['api', 'wrap', 'lock']) {
      assert.ok(![apiSocketPath('/r'), claimSocketPath('/r')].includes(portSocketPath('/r', name)));
    }
  });
});

describe('run directory: socket paths', () => {
  it('have room for what the kernel takes and not a byte more', async () => {
    const longest = `/${'x'.repeat(MAX_SOCKET_PATH - 1)}`;
    checkSocketPath(longest);
    const error = await failure('SOCKET_PATH_TOO_LONG', () => checkSocketPath(`${longest}y`));
    assert.match(error.message, /108 bytes.*at most 107/);
    assert.match(error.hint ?? '', /--run-dir/);
  });

  it('are counted in bytes', async () => {
    await failure('SOCKET_PATH_TOO_LONG', () => checkSocketPath(`/${'ä'.repeat(60)}`));
  });
});

describe('run directory: making and trusting it', () => {
  it('is made private', () =>
    withDir(async (dir) => {
      const run = join(dir, 'run');
      await prepareRunDir(realHost, run, -1);
      assert.equal((await stat(run)).mode & 0o7777, 0o700);
    }));

  it('is opened to the group that may connect', () =>
    withDir(async (dir) => {
      const run = join(dir, 'run');
      // Our own first group: the one change of group that any user may make.
      const gid = process.getgid?.() ?? 0;
      await prepareRunDir(realHost, run, gid);
      const made = await stat(run);
      assert.deepEqual([made.mode & 0o7777, made.gid], [0o750, gid]);
    }));

  it("takes root's group from /etc/group, and no group for a user", async () => {
    const files = { '/etc/group': 'root:x:0:\nkvm:x:107:\n' };
    assert.equal(await qemuGroup(fakeHost({ uid: 0, files })), 107);
    assert.equal(await qemuGroup(fakeHost({ uid: 5, files })), undefined);
    const service = { ...files, '/proc/self/status': 'Gid:\t107\t107\t107\t107\nGroups:\t\n' };
    assert.equal(await qemuGroup(fakeHost({ uid: 5, files: service })), 107);
    const member = { ...files, '/proc/self/status': 'Gid:\t1000\t1000\t1000\t1000\nGroups:\t107\n' };
    assert.equal(await qemuGroup(fakeHost({ uid: 5, files: member })), undefined);
    assert.equal(await qemuGroup(fakeHost({ uid: 0, files: { '/etc/group': 'kvm2:x:1:\n' } })), undefined);
  });

  it('is refused where others can replace what is in it', async () => {
    const directory: FileStat = { kind: 'directory', mode: 0o700, uid: 7, gid: 7, size: 0, ctimeMs: 0 };
    const cases: [Partial<FileStat>, RegExp][] = [
      [{ uid: 8 }, /\/r belongs to user id 8, not to 7/],
      [{ mode: 0o1777 }, /\/r is writable for everybody/],
      [{ kind: 'symlink' }, /\/r is a symbolic link/],
      [{ kind: 'file' }, /\/r is not a directory/],
    ];
    for (const [change, message] of cases) {
      const host = fakeHost({ uid: 7, stats: { '/r': { ...directory, ...change } } });
      assert.match((await failure('RUN_DIR_UNUSABLE', prepareRunDir(host, '/r', -1))).message, message);
    }
    await prepareRunDir(fakeHost({ uid: 7, stats: { '/r': directory } }), '/r', -1);
  });

  it('is refused for real: a link and a directory open to everybody', () =>
    withDir(async (dir) => {
      await mkdir(join(dir, 'open'));
      await chmod(join(dir, 'open'), 0o777);
      await symlink(dir, join(dir, 'link'));
      await failure('RUN_DIR_UNUSABLE', prepareRunDir(realHost, join(dir, 'open'), -1));
      await failure('RUN_DIR_UNUSABLE', prepareRunDir(realHost, join(dir, 'link'), -1));
    }));

  it('says in one line that it may not be made', async () => {
    const denied = Object.assign(new Error('EACCES'), { code: 'EACCES' });
    const host = { ...fakeHost({ uid: 7 }), mkdir: () => Promise.reject(denied) };
    const error = await failure('RUN_DIR_UNUSABLE', prepareRunDir(host, '/run/x', -1));
    assert.equal(error.message, 'run directory /run/x cannot be made or read: permission denied');
    assert.match(error.hint ?? '', /--run-dir/);
  });
});
