import assert from 'node:assert/strict';
import { runToEnd } from '../helpers/child.js';
import { root, tempDir } from '../helpers/paths.js';
import { freshScope, needsRoot } from '../helpers/fresh-scope.js';

/**
 * A Debian below `$system`: this machine's programs on a disk of its own, because GRUB asks what disk the root file
 * system is on. All of it is gone with the mount namespace; the loop device goes with its mount.
 */
const PREPARE = `
set -e
work=$1 repo=$2 node=$3
mount -t tmpfs none "$work"
system=$work/system
mkdir "$system"
truncate -s 64M "$work/disk"
mkfs.ext4 -q "$work/disk"
mount -o loop "$work/disk" "$system"
cd "$system"
mkdir -p proc dev sys tmp usr boot/grub etc/default/grub.d var/lib
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$dir"; done
mount --rbind /usr usr
mount --rbind /dev dev
mount -t proc none proc
cp -a /etc/grub.d /etc/os-release /etc/passwd /etc/group etc/
cp /usr/share/grub/default/grub etc/default/grub
# GRUB gives a system whose disk is a file no kernels.
echo GRUB_DEVICE=/dev/vda1 > etc/default/grub.d/00-disk.cfg
echo kernel > boot/vmlinuz-6.1.0-1-amd64
echo initrd > boot/initrd.img-6.1.0-1-amd64
args() { "$node" "$repo/build/test/helpers/kernel-arguments.js" "$system" "$@"; }
linux() { sed -n 's/^[[:space:]]*linux[[:space:]]*[^ ]* root=[^ ]* //p' boot/grub/grub.cfg | sed 's/ *$//'; }
state() {
  find etc boot var -printf '%p %m %U:%G %l\\n' | sort
  find etc boot var -type f -exec sha256sum {} + | sort
}
update() { chroot "$system" update-grub 2>/dev/null; }
`;

const UNIT = 'default_hugepagesz=1G hugepagesz=1G hugepages=4';

describe("kernel arguments with Debian's own update-grub", function () {
  this.timeout(120_000);
  const scope = freshScope({ skip: needsRoot });

  async function run(script: string): Promise<string[]> {
    const work = await tempDir(scope());
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', `${PREPARE}\n${script}`, 'sh', work, root];
    const { code, stdout, stderr } = await runToEnd(scope(), 'unshare', [...args, process.execPath], {
      deadline: 90_000,
    });
    assert.equal(code, 0, stderr);
    return stdout.trimEnd().split('\n');
  }

  it('every kernel gets them, once; undo makes the configuration as it was', async () => {
    const out = await run(`
      update
      state > "$work/before"
      linux
      args set
      linux
      args set
      args set 6
      linux | grep -c 'hugepages=6'
      args undo > /dev/null
      state > "$work/after"
      diff "$work/before" "$work/after" && echo as before
    `);
    assert.deepEqual(out, [
      'ro  quiet',
      'ro  quiet',
      'ro single',
      '["kernel-arguments"]',
      `ro  ${UNIT} quiet`,
      `ro  ${UNIT} quiet`,
      `ro single  ${UNIT}`,
      '[]',
      '["kernel-arguments"]',
      '3',
      'as before',
    ]);
  });

  it("a cloud image's file that sets the command line does not take them away", async () => {
    const out = await run(`
      echo 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1"' > etc/default/grub.d/50-cloudimg-settings.cfg
      echo 'GRUB_CMDLINE_LINUX="net.ifnames=0 hugepages=12"' > etc/default/grub.d/99-late.cfg
      update
      state > "$work/before"
      args set
      linux | head -1
      ls etc/default/grub.d
      args undo > /dev/null
      state > "$work/after"
      diff "$work/before" "$work/after" && echo as before
    `);
    assert.deepEqual(out, [
      '["kernel-arguments"]',
      `ro net.ifnames=0 ${UNIT} hugepagesz=2M hugepages=12 console=tty1`,
      '00-disk.cfg',
      '50-cloudimg-settings.cfg',
      '99-late.cfg',
      'zz-vhost-host.cfg',
      'as before',
    ]);
  });

  it('an update-grub that fails is told, and undone', async () => {
    const out = await run(`
      update
      cp -a etc etc.before
      printf 'exit 3\\n' > etc/grub.d/09_broken
      chmod 755 etc/grub.d/09_broken
      args set || true
      rm etc/grub.d/09_broken
      args undo | grep -c 95-vhost-host.cfg
      diff -r etc etc.before && echo as before
    `);
    assert.match(out[0] ?? '', /kernel-arguments failed: update-grub failed \(exit code \d+\)/);
    assert.deepEqual(out.slice(1), ['1', 'as before']);
  });
});
