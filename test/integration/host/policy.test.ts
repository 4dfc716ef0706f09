import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileContexts, policySource } from '../../../src/libvirt/install/selinux-policy.js';
import { runToEnd } from '../../helpers/child.js';
import { tempDir } from '../../helpers/paths.js';
import { inPrivateSystem } from '../../helpers/host/private-system.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';

const PARSE = 'apparmor_parser --skip-kernel-load --skip-cache';
const TEMPLATE = '/etc/apparmor.d/libvirt/TEMPLATE.qemu';
const RULE = '/usr/bin/qemu-wrap rmix,';

describe('libvirt setup on a copy of this system', function () {
  this.timeout(90_000);
  const scope = freshScope({ skip: needsRoot });

  async function run(script: string): Promise<{ out: string[]; err: string }> {
    const { code, stdout, stderr } = await inPrivateSystem(scope(), script);
    assert.equal(code, 0, stderr);
    return { out: stdout.trimEnd().split('\n'), err: stderr };
  }

  it('does it, once, with rules that AppArmor reads and a wrapper that any user can run; undo leaves no trace', async () => {
    const { out } = await run(`
      state > "$work/before"
      setup --apparmor on --devices 1-2 --yes --json
      setup --apparmor on --devices 1-2 --yes --json
      stat -c '%a %u:%g' /usr/bin/qemu-wrap /etc/libvirt/qemu.conf /var/lib/vhost-host/changes
      grep -c usvhost /etc/libvirt/qemu.conf
      ${PARSE} --preprocess ${TEMPLATE} | grep -c '${RULE}'
      ${PARSE} /etc/apparmor.d/usr.sbin.libvirtd && echo libvirtd read
      setpriv --reuid 65534 --regid 65534 --clear-groups env VHOST_HOST_EMULATOR=/bin/echo /usr/bin/qemu-wrap -machine none
      setup --undo --yes --json
      state > "$work/after"
      diff "$work/before" "$work/after" && echo as before
    `);
    const [first, second, wrapper, conf, changes, devices, rules, daemon, echoed, undone, same] = out;
    const steps = (line: string | undefined): unknown[] =>
      (JSON.parse(line ?? '{}') as { steps: { id: string; state: string }[] }).steps.map(({ id, state }) => [
        id,
        state,
      ]);
    assert.deepEqual(steps(first), [
      ['wrapper', 'done'],
      ['qemu-conf', 'done'],
      ['apparmor', 'done'],
      ['hook', 'done'],
    ]);
    assert.ok(steps(second).every((step) => (step as string[])[1] === 'unchanged'));
    assert.deepEqual([wrapper, conf, changes], ['755 0:0', '600 0:0', '700 0:0']);
    assert.deepEqual([devices, rules, daemon, echoed], ['2', '1', 'libvirtd read', '-machine none']);
    assert.equal((JSON.parse(undone ?? '{}') as { changed: boolean }).changed, true);
    assert.equal(same, 'as before');
  });

  it('rules that AppArmor cannot read fail the step, and undo takes them away', async () => {
    const { out, err } = await run(`
      state > "$work/before"
      echo 'no such rule' >> /etc/apparmor.d/local/abstractions/libvirt-qemu
      setup --apparmor on --yes || echo "exit $?"
      setup --undo --yes 2>/dev/null
      cat /etc/apparmor.d/local/abstractions/libvirt-qemu
    `);
    assert.deepEqual(out, ['exit 1', 'all taken back', 'no such rule']);
    assert.match(
      err,
      /^vhost-host: apparmor failed \(done before it: wrapper\): AppArmor cannot read the rules: .*syntax error/m,
    );
    assert.match(err, /^ {2}vhost-host libvirt setup --undo$/m);
  });

  it('a disk that fills up on the way leaves whole files, one line, and something to undo', async () => {
    const { out, err } = await run(`
      mount -t tmpfs -o size=64k none /etc/libvirt
      cp /opt/vhost-host/test/golden/qemu-conf/debian-12.conf /etc/libvirt/qemu.conf
      chmod 600 /etc/libvirt/qemu.conf
      state > "$work/before"
      setup --devices 1 --yes || echo "exit $?"
      cmp /etc/libvirt/qemu.conf /opt/vhost-host/test/golden/qemu-conf/debian-12.conf && echo whole
      setup --undo --yes 2>/dev/null
      state > "$work/after"
      diff "$work/before" "$work/after" && echo as before
    `);
    assert.deepEqual(out, ['exit 1', 'whole', 'all taken back', 'as before']);
    assert.match(err, /^vhost-host: qemu-conf failed \(done before it: wrapper\): ENOSPC/m);
  });

  it('a read-only file system: nothing is changed where the journal lies on it, and what was done is undone else', async () => {
    const { out, err } = await run(`
      mount -o remount,bind,ro /var/lib
      setup --devices 1 --yes || echo "exit $?"
      [ -e /usr/bin/qemu-wrap ] || echo untouched
      mount -o remount,bind,rw /var/lib
      mount -o remount,bind,ro /etc
      setup --devices 1 --yes || echo "exit $?"
      setup --undo --yes 2>/dev/null
      [ -e /usr/bin/qemu-wrap ] || [ -e /var/lib/vhost-host ] || echo untouched
    `);
    assert.deepEqual(out, ['exit 1', 'untouched', 'exit 1', 'all taken back', 'untouched']);
    assert.match(err, /^vhost-host: nothing was changed, for wrapper failed: EROFS/m);
    assert.match(err, /^vhost-host: qemu-conf failed \(done before it: wrapper\): EROFS/m);
  });

  it('works on an image below a directory, as on a running system', async () => {
    const { out } = await run(`
      image=$work/image
      mkdir -p "$image/usr/bin" "$image/opt/vhost-host/native/build/Release" "$image/opt/vhost-host/build/bundle/cli"
      chmod 755 "$image"
      cp -a /etc "$image/etc"
      touch "$image/usr/bin/node" "$image/usr/bin/qemu-system-x86_64" "$image/usr/bin/qemu-system-aarch64"
      touch "$image/opt/vhost-host/native/build/Release/vh-launch" "$image/opt/vhost-host/build/bundle/cli/wrap-plan.js"
      chmod 755 "$image"/usr/bin/* "$image/opt/vhost-host/native/build/Release/vh-launch"
      find "$image" -printf '%p %m %s\\n' | sort > "$work/before"
      setup --root "$image" --package-root /opt/vhost-host --devices 3 --yes
      grep vh-launch "$image/usr/bin/qemu-wrap"
      ${PARSE} --preprocess --base "$image/etc/apparmor.d" "$image${TEMPLATE}" | grep -c '${RULE}'
      [ -e /usr/bin/qemu-wrap ] || echo the running system is untouched
      setup --root "$image" --undo --yes
      rmdir "$image/var/lib" "$image/var"
      find "$image" -printf '%p %m %s\\n' | sort > "$work/after"
      diff "$work/before" "$work/after" && echo as before
    `);
    assert.deepEqual(out, [
      '4 changes made; vhost-host libvirt setup --undo takes them back',
      'a running guest gets the new AppArmor rules when it starts next',
      'exec /opt/vhost-host/native/build/Release/vh-launch "$0" "$@"',
      '1',
      'the running system is untouched',
      'all taken back',
      'as before',
    ]);
  });
});

describe("SELinux's own tools", () => {
  const scope = freshScope();

  const paths = {
    wrapper: '/usr/bin/qemu-wrap',
    launcher: '/opt/vhost-host/native/build/Release/vh-launch',
    node: '/usr/bin/node',
    emulator: '/usr/bin/qemu-system-x86_64',
    packageRoot: '/opt/vhost-host',
    runDir: '/run/vhost-host',
    deviceBase: 'usvhost',
  };

  async function compile(source: string): Promise<{ code: number | null; stderr: string; dir: string }> {
    const dir = await tempDir(scope());
    await writeFile(join(dir, 'vhost_host.te'), source);
    await writeFile(join(dir, 'vhost_host.fc'), fileContexts(paths));
    const { code, stderr } = await runToEnd(scope(), 'checkmodule', [
      '-M',
      '-m',
      '-o',
      join(dir, 'vhost_host.mod'),
      join(dir, 'vhost_host.te'),
    ]);
    return { code, stderr, dir };
  }

  it('compile the module and pack it with its labels', async () => {
    const { code, stderr, dir } = await compile(policySource());
    assert.equal(code, 0, stderr);
    const args = [
      '-o',
      join(dir, 'vhost_host.pp'),
      '-m',
      join(dir, 'vhost_host.mod'),
      '-f',
      join(dir, 'vhost_host.fc'),
    ];
    const packed = await runToEnd(scope(), 'semodule_package', args);
    assert.equal(packed.code, 0, packed.stderr);
  });

  it('say no to a rule about something that is not declared', async () => {
    const { code, stderr } = await compile(`${policySource()}\nallow virt_domain no_such_t:file read;\n`);
    assert.notEqual(code, 0);
    assert.match(stderr, /no_such_t/);
  });
});
