import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import { offlineHost, rootedHost } from '../../../src/host/chroot-host.js';
import { failure, withDir } from '../switch/support.js';

describe('a host below a directory', () => {
  it('has its own files, by the paths they have there', () =>
    withDir(async (dir) => {
      const host = rootedHost(realHost, dir);
      await host.mkdir('/etc/libvirt', 0o755);
      await host.write('/etc/libvirt/f', 'text', 0o600);
      await symlink('f', join(dir, 'etc/libvirt/link'));
      equal(await readFile(join(dir, 'etc/libvirt/f'), 'utf8'), 'text');
      deepEqual(await host.list('/etc/libvirt'), ['f', 'link']);
      equal(await host.realpath('/etc/libvirt/link'), '/etc/libvirt/f');
      equal(await host.realpath('/'), '/');
      equal(await host.realpath('/none'), undefined);
      equal(await host.readOptional('/etc/none'), undefined);
      await host.chmod('/etc/libvirt/f', 0o640);
      await host.chown('/etc/libvirt/f', realHost.uid(), process.getgid?.() ?? 0);
      deepEqual(
        [(await host.stat('/etc/libvirt/link'))?.mode, (await host.lstat('/etc/libvirt/link'))?.kind],
        [0o640, 'symlink'],
      );
      await host.unlink('/etc/libvirt/link');
      equal(await host.rmdir('/etc/libvirt'), false);
      await host.unlink('/etc/libvirt/f');
      deepEqual([await host.rmdir('/etc/libvirt'), await host.rmdir('/etc/libvirt')], [true, true]);
    }));

  it('follows links as the system below it would: absolute ones, chains, in the middle, and never out', () =>
    withDir(async (dir) => {
      const root = join(dir, 'root');
      await mkdir(join(root, 'srv/config/deep'), { recursive: true });
      await mkdir(join(root, 'etc'));
      await writeFile(join(dir, 'outside'), 'secret');
      await writeFile(join(root, 'outside'), 'inside');
      await writeFile(join(root, 'srv/config/grub'), 'text');
      for (const [target, link] of [
        ['/srv/config/grub', 'etc/absolute'],
        ['/etc/absolute', 'etc/chain'],
        ['/srv/config', 'etc/middle'],
        ['middle/deep/../grub', 'etc/dots'],
        ['../../../../outside', 'etc/out'],
        ['/..', 'etc/top'],
        [join(dir, 'outside'), 'etc/named'],
        ['/etc/round', 'etc/round'],
        ['/srv/config/missing', 'etc/nowhere'],
      ] as const)
        await symlink(target, join(root, link));
      const host = rootedHost(realHost, root);
      for (const path of ['/etc/absolute', '/etc/chain', '/etc/middle/grub', '/etc/dots', '/../etc/top/etc/absolute']) {
        equal(await host.read(path), 'text', path);
        equal(await host.realpath(path), '/srv/config/grub');
      }
      for (const path of ['/etc/out', '/etc/top/outside', '/../outside']) equal(await host.read(path), 'inside', path);
      equal(await host.realpath('/etc/named'), undefined);
      deepEqual(
        [await host.stat('/etc/nowhere'), (await host.lstat('/etc/nowhere'))?.kind, await host.readLink('/etc/chain')],
        [undefined, 'symlink', '/etc/absolute'],
      );
      await host.write('/etc/chain', 'new');
      await host.write('/etc/middle/deep/made', 'made');
      await host.mkdir('/etc/top/etc/middle/dir', 0o755);
      await host.write('/etc/out', 'changed');
      deepEqual(await host.list('/etc/middle'), ['deep', 'dir', 'grub']);
      deepEqual(
        await Promise.all(
          ['srv/config/grub', 'srv/config/deep/made', 'outside'].map((p) => readFile(join(root, p), 'utf8')),
        ),
        ['new', 'made', 'changed'],
      );
      equal((await realHost.lstat(join(root, 'etc/chain')))?.kind, 'symlink');
      await host.unlink('/etc/chain');
      await host.unlink('/etc/middle/deep/made');
      deepEqual(
        [
          await realHost.stat(join(root, 'srv/config/grub')),
          await realHost.stat(join(root, 'srv/config/deep/made')),
        ].map((stat) => stat?.kind),
        ['file', undefined],
      );
      match(
        (await failure('SETUP_REFUSED', host.read('/etc/round'))).message,
        /leads through too many symbolic links$/,
      );
      equal(await readFile(join(dir, 'outside'), 'utf8'), 'secret');
    }));

  it('of an image nothing is told that only a running system has, whatever leads there', () =>
    withDir(async (root) => {
      for (const dir of ['proc/self', 'etc', 'var']) await mkdir(join(root, dir), { recursive: true });
      await writeFile(join(root, 'proc/self/mounts'), 'of another system');
      await writeFile(join(root, 'proc/cmdline'), 'of another system');
      await symlink('/proc/self/mounts', join(root, 'etc/mtab'));
      await symlink('../proc', join(root, 'var/kernel'));
      const host = offlineHost(rootedHost(realHost, root));
      for (const path of ['/proc/cmdline', '/etc/mtab', '/var/kernel/cmdline', '/etc/../proc/cmdline']) {
        deepEqual([await host.readOptional(path), await host.stat(path)], [undefined, undefined], path);
        equal(await host.readBytes(path), undefined);
      }
      deepEqual(await host.list('/var/kernel'), []);
      equal((await host.lstat('/etc/mtab'))?.kind, 'symlink');
    }));

  it('runs commands there, and is not there without the directory', async () => {
    const ran: string[] = [];
    const run = (
      command: string,
      args: readonly string[],
    ): Promise<{ exitCode: number; stdout: string; stderr: string }> => {
      ran.push([command, ...args].join(' '));
      return Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
    };
    await rootedHost({ ...realHost, run }, '/mnt').run('update-grub', ['-v']);
    deepEqual(ran, ['chroot /mnt update-grub -v']);
    await failure('USAGE', rootedHost(realHost, '/no/such/root').read('/etc/passwd'));
  });
});
