import { strict as assert } from 'node:assert';
import { cp, lstat, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { realHost } from '../../../../src/host/node-host.js';
import { withDir } from '../../switch/support.js';
import { Desk, parse } from '../support.js';
import type { Outcome } from '../support.js';
import { setup } from './setup-scene.js';
import type { Json } from './setup-scene.js';

/** Images as real trees of files and links: what is read and written in them, and nothing beside them. */

async function plant(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const full = join(root, path);
    await mkdir(dirname(full), { recursive: true });
    await (text.startsWith('-> ') ? symlink(text.slice(3), full) : writeFile(full, text));
  }
}

async function tree(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    const stat = await lstat(join(dir, name));
    found[name] = stat.isFile() ? await readFile(join(dir, name), 'utf8') : stat.isDirectory() ? 'directory' : 'link';
  }
  return found;
}

/** Root at the desk, whose commands are only taken down. */
function desk(ran: string[] = []): Desk {
  const run: typeof realHost.run = (command, args) => {
    ran.push([command, ...args].join(' '));
    return Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
  };
  const fakeHost = { ...realHost, uid: () => realHost.uid(), run };
  return Object.assign(new Desk(), { fakeHost: { ...fakeHost, uid: () => 0, chown: () => Promise.resolve() } });
}

const WORDS = ['--guest-memory', '8G', '--page-size', '1G', '--no-boot', '--yes'];

const setUp = (root: string, ...more: string[]): Promise<Outcome> => setup(desk(), '--root', root, ...WORDS, ...more);

const NIXOS = {
  '/etc/systemd/system': '-> /etc/static/systemd/system',
  '/etc/static': '-> /nix/store/0a-etc/etc',
  '/etc/os-release': '-> /etc/static/os-release',
  '/etc/fstab': '-> /etc/static/fstab',
  '/etc/udev': '-> ../nix/store/0a-etc/etc/udev',
  '/nix/store/0a-etc/etc/os-release': 'NAME=NixOS\nID=nixos\n',
  '/nix/store/0a-etc/etc/fstab': '/dev/sda1 / ext4 x 0 1\n',
  '/nix/store/0a-etc/etc/udev/rules.d/99-local.rules': '# none\n',
  '/nix/store/0a-etc/etc/systemd/system/dev-hugepages.mount':
    '[Mount]\nWhat=hugetlbfs\nWhere=/dev/hugepages\nType=hugetlbfs\n',
  '/nix/store/0b-systemd/lib/systemd/systemd': '',
  '/usr/lib': '-> /nix/store/0b-systemd/lib',
};

describe('setup --root: systems that are built', () => {
  it('NixOS: nothing is written, least of all into the store; all of it is shown, and the exit code says so', () =>
    withDir(async (root) => {
      await plant(root, NIXOS);
      const before = await tree(root);
      const { code, out, err } = await setUp(root, '--nic', '0000:03:00.0');
      const said = [...out, ...err].join('\n');
      assert.deepEqual([code, await tree(root)], [1, before]);
      for (const words of [
        /boot\.kernelParams = \[ "default_hugepagesz=1G" .*"hugepagesz=2M" "hugepages=256" "intel_iommu=on" "iommu=pt" \];/,
        /fileSystems\."\/mnt\/huge" = .*"pagesize=2M"/,
        /boot\.kernelModules = \[ "vfio-pci" \];/,
        /services\.udev\.extraRules = ''\n.*\n.*\n.*KERNEL=="0000:03:00\.0"/,
        /not done yet, and to be done by hand as shown: nixos is built/,
      ])
        assert.match(said, words);
    }));

  it('pages without kernel arguments are lines of tmpfiles.d in NixOS’s words, and found there afterwards', () =>
    withDir(async (root) => {
      await plant(root, NIXOS);
      const small = ['--guest-memory', '1G', '--page-size', '2M', '--switch-pages', '0'];
      const rule = 'w! /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages - - - - 512';
      assert.match(
        (await setUp(root, ...small)).err.join('\n'),
        new RegExp(`systemd\\.tmpfiles\\.rules = \\[ "${rule}" \\];`),
      );
      await plant(root, {
        '/nix/store/0a-etc/etc/tmpfiles.d/00-nixos.conf': `${rule}\n`,
        '/etc/tmpfiles.d': '-> static/tmpfiles.d',
      });
      assert.doesNotMatch((await setUp(root, ...small)).err.join('\n'), /systemd\.tmpfiles/);
    }));

  for (const [id, words] of [
    ['guix', /\(file-systems \(append \(list \(file-system \(device "hugetlbfs"\) \(mount-point "\/dev\/hugepages"\)/],
    ['talos', /# pages of 1G in a pod: a volume emptyDir of medium HugePages-1Gi/],
    ['bottlerocket', /\[settings\.kernel\.modules\.vfio-pci\]\n +allowed = true/],
  ] as const) {
    it(`${id}: nothing is written, and all of it is shown`, () =>
      withDir(async (root) => {
        await plant(root, { '/etc/os-release': `ID=${id}\n` });
        const before = await tree(root);
        const { code, out, err } = await setUp(root, '--nic', '0000:03:00.0');
        assert.deepEqual([code, await tree(root)], [1, before]);
        assert.match([...out, ...err].join('\n'), words);
      }));
  }
});

describe('setup --root: systems with a part to be done by hand', () => {
  it('says so in lines, in JSON and by its exit code; the rest is done, and once the part is, all is', () =>
    withDir(async (root) => {
      await cp('test/golden/boot/raspberry-pi-os/root', root, { recursive: true });
      await plant(root, { '/usr/lib/systemd/systemd': '', '/etc/systemd/system/local-fs.target.wants/x': '' });
      const dry = await setup(desk(), '--root', root, ...WORDS.slice(0, -1), '--dry-run');
      assert.equal(dry.code, 0);
      const first = await setup(desk(), '--root', root, ...WORDS, '--json');
      const { changed, byHand } = parse(first.out[0]) as unknown as Json;
      assert.deepEqual([first.code, changed], [1, true]);
      const [{ reason, snippet } = { reason: '', snippet: '' }, ...more] = byHand as {
        reason: string;
        snippet: string;
      }[];
      assert.deepEqual(more, []);
      assert.match(reason, /the one line of \/boot\/firmware\/cmdline\.txt$/);
      const [, line = ''] = snippet.split('\n');
      await writeFile(join(root, 'boot/firmware/cmdline.txt'), `${line}\n`);
      assert.deepEqual((await setUp(root)).code, 0);
    }));

  it('an absolute link of the image leads to the file that its own tool reads', () =>
    withDir(async (root) => {
      await cp('test/golden/boot/debian-12/root', root, { recursive: true });
      const config = await readFile(join(root, 'etc/default/grub'), 'utf8');
      await plant(root, { '/srv/config/grub': config, '/usr/sbin/update-grub': '', '/usr/lib/systemd/systemd': '' });
      await plant(root, { '/etc/systemd/system/local-fs.target.wants/x': '', '/srv/dropins/a.cfg': '# none\n' });
      await rm(join(root, 'etc/default/grub'));
      await rm(join(root, 'etc/default/grub.d'), { recursive: true, force: true });
      await plant(root, { '/etc/default/grub': '-> /srv/config/grub', '/etc/default/grub.d': '-> /srv/dropins' });
      const { out } = await setup(desk(), '--root', root, ...WORDS.slice(0, -1), '--dry-run');
      assert.match(out.join('\n'), /^\+ kernel arguments: \/etc\/default\/grub/m);
    }));
});
