import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../src/host.js';
import { rootedHost } from '../../src/rooted-host.js';
import { failure, withDir } from './switch/support.js';

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

  it('does not follow a link out, in whatever part of the path', () =>
    withDir(async (dir) => {
      await mkdir(join(dir, 'root'));
      await writeFile(join(dir, 'outside'), 'secret');
      await symlink('../outside', join(dir, 'root/file'));
      await symlink('..', join(dir, 'root/dir'));
      const host = rootedHost(realHost, join(dir, 'root'));
      for (const work of [
        () => host.read('/file'),
        () => host.write('/file', 'x'),
        () => host.write('/dir/outside', 'x'),
        () => host.unlink('/dir/outside'),
        () => host.mkdir('/dir/new', 0o755),
      ]) {
        match((await failure('SETUP_REFUSED', work)).message, /leads out of .*\/root, to /);
      }
      equal(await readFile(join(dir, 'outside'), 'utf8'), 'secret');
      equal((await host.lstat('/file'))?.kind, 'symlink');
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
