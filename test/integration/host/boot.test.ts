import assert from 'node:assert/strict';
import { DEBIAN } from '../../helpers/host/debian-system.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { runInPrivateNamespace } from '../../helpers/host/private-namespace.js';

const PREPARE = `${DEBIAN}
args() { "$node" "$repo/build/test/helpers/guests/kernel-arguments.js" "$system" "$@"; }
update() { chroot "$system" update-grub 2>/dev/null; }
`;

const UNIT = 'default_hugepagesz=1G hugepagesz=1G hugepages=4';

describe("kernel arguments with Debian's own update-grub", function () {
  this.timeout(300_000);
  const scope = freshScope({ skip: needsRoot });

  async function run(script: string): Promise<string[]> {
    const { code, stdout, stderr } = await runInPrivateNamespace(scope(), `${PREPARE}\n${script}`, 90_000);
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
    // Debian 13 has another word in the entry for recovery.
    const recovery = out[2] ?? '';
    assert.match(recovery, /^ro single( dis_ucode_ldr)?$/);
    assert.deepEqual(out, [
      'ro  quiet',
      'ro  quiet',
      recovery,
      '["kernel-arguments"]',
      `ro  ${UNIT} quiet`,
      `ro  ${UNIT} quiet`,
      `${recovery}  ${UNIT}`,
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

  it('an update-grub that fails is told, and what was written for it is taken back', async () => {
    const out = await run(`
      update
      cp -a etc etc.before
      printf 'exit 3\\n' > etc/grub.d/09_broken
      chmod 755 etc/grub.d/09_broken
      args set || true
      rm etc/grub.d/09_broken
      diff -r etc etc.before && echo as before
      args undo > /dev/null
      args set > /dev/null
      linux | head -1
    `);
    assert.match(out[0] ?? '', /kernel-arguments failed: update-grub failed \(exit code \d+\)/);
    assert.deepEqual(out.slice(1), ['as before', `ro  ${UNIT} quiet`]);
  });

  it('values over several lines, in two strings and from a command reach the kernel whole', async () => {
    const out = await run(`
      cat >> etc/default/grub <<'END'
export GRUB_CMDLINE_LINUX_DEFAULT="quiet \\
  hugepages=16 \\
  rd.luks.uuid=$(echo 7f)"' splash' GRUB_TIMEOUT=1
END
      args set
      linux | head -1
      args undo > /dev/null
      linux | head -1
    `);
    assert.deepEqual(out, [
      '["kernel-arguments"]',
      `ro  ${UNIT} hugepagesz=2M hugepages=16 quiet   rd.luks.uuid=7f splash`,
      'ro  quiet   hugepages=16   rd.luks.uuid=7f splash',
    ]);
  });
});
