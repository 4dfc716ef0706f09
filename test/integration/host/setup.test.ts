import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { DEBIAN } from '../../helpers/host/debian-system.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { guardPools } from '../../helpers/host/hugepages.js';
import { runInPrivateNamespace, startInPrivateNamespace } from '../../helpers/host/private-namespace.js';
import { KEY, TERMINAL, Typist, plain } from '../../helpers/host/terminal.js';
import { within } from '../../helpers/until.js';

const POOLS = '/sys/kernel/mm/hugepages';
const BIG = `${POOLS}/hugepages-1048576kB`;
const SMALL = `${POOLS}/hugepages-2048kB/nr_hugepages`;

/**
 * `vh` is the command as the Debian itself would run it: with its /etc and /boot, and with the kernel, the hugepages
 * and the hugetlbfs of this machine. `more` is a number of pages that is a few more than there are.
 */
const LIVE = `${DEBIAN}${TERMINAL}
mkdir -p opt/node opt/vhost-host run mnt
mount --rbind /sys sys
mount --bind "$(dirname "$node")" opt/node
mount --bind "$repo" opt/vhost-host
echo kernel > "boot/vmlinuz-$(uname -r)"
echo '# static' > etc/fstab
program="$system /opt/node/$(basename "$node") /opt/vhost-host/build/bundle/cli/main.js"
vh() { chroot $program "$@"; }
more=$(($(cat ${SMALL}) + 8))
everything() {
  state
  grep hugetlbfs /proc/mounts || true
  cat ${POOLS}/*/nr_hugepages
}
same() { everything > "$work/after"; diff "$work/before" "$work/after" && echo as before; }
begin() { everything > "$work/before"; }
menu() { chroot "$system" update-grub 2>/dev/null; }
large="--guest-memory 1G --page-size 1G --switch-pages $more --nic none --no-boot"
small="--guest-memory 0 --switch-pages $more --nic none --no-boot"
`;

/** Pages of 1 GiB are asked for in the running system only where its processor has them. */
function needsBigPages(this: Mocha.Context): void {
  if (existsSync(BIG)) return;
  process.stderr.write('skipped: this kernel has no pages of 1 GiB\n');
  this.skip();
}

interface Json {
  readonly changed: boolean;
  readonly steps: readonly { id: string; state: string }[];
  readonly awaits: readonly string[];
}

const json = (line: string | undefined): Json => JSON.parse(line ?? '{}') as Json;
/** But for packages, which a machine has or has not. */
const states = (line: string | undefined): string[] =>
  json(line)
    .steps.filter(({ id }) => id !== 'packages')
    .map(({ id, state }) => `${id}: ${state}`);

describe('vhost-host setup on a system of its own', function () {
  this.timeout(300_000);
  const scope = freshScope({ skip: needsRoot });

  async function run(script: string): Promise<{ out: string[]; err: string }> {
    const settled = await guardPools(scope());
    const { code, stdout, stderr } = await runInPrivateNamespace(scope(), `${LIVE}\n${script}`, 240_000);
    await settled();
    assert.equal(code, 0, stdout + stderr);
    return { out: stdout.trimEnd().split('\n'), err: stderr };
  }

  it('does it, tells what awaits a reboot, does nothing the second time, and undo leaves no trace', async function () {
    needsBigPages.call(this);
    const { out } = await run(`
      menu
      begin
      vh setup $large --yes --json
      linux | head -1
      grep -c hugetlbfs etc/fstab
      stat -f -c %T dev/hugepages mnt/huge
      vh check --json || true
      vh setup $large --yes --json
      vh setup --undo --yes
      same
    `);
    const [first, line, mounts, guests, own, checked, second, ...rest] = out;
    assert.deepEqual(states(first), [
      'kernel-arguments: done',
      'hugepages-1G: done',
      'hugepages-2M: done',
      'hugetlbfs:/dev/hugepages: done',
      'hugetlbfs:/mnt/huge: done',
    ]);
    assert.match(line ?? '', /default_hugepagesz=1G hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=\d+ quiet$/);
    assert.deepEqual([mounts, guests, own], ['6', 'hugetlbfs', 'hugetlbfs']);
    const { checks } = JSON.parse(checked ?? '{}') as { checks: { id: string; reason: string; fix?: string }[] };
    const pending = checks.find(({ id }) => id === 'reboot-pending');
    assert.match(pending?.reason ?? '', /^the next boot has default_hugepagesz=1G .*\/boot\/grub\/grub\.cfg/);
    assert.deepEqual(
      checks.filter(({ id }) => id === 'hugetlbfs-kept').map(({ reason }) => reason),
      ['/dev/hugepages by /etc/fstab', '/mnt/huge by /etc/fstab'],
    );
    assert.equal(json(second).changed, false, second);
    assert.match(json(second).awaits.join(), /^a reboot brings the kernel with default_hugepagesz=1G/);
    assert.deepEqual(rest, ['all taken back', 'the kernel keeps its arguments until a reboot', 'as before']);
  });

  it('an image: kernel arguments and units are written, and nothing of the running system is touched', async () => {
    const { out } = await run(`
      mkdir -p usr/lib etc/systemd/system
      menu
      begin
      image="--root $system --package-root /opt/vhost-host --guest-memory 2G --page-size 1G --no-boot"
      vh_outside() { "$node" "$repo/build/bundle/cli/main.js" setup "$@"; }
      vh_outside $image --yes --json
      linux | head -1
      cat etc/systemd/system/mnt-huge.mount | grep ^Options
      vh_outside $image --yes --json
      cat ${POOLS}/*/nr_hugepages > "$work/pools"
      vh_outside --root $system --undo --yes
      same
    `);
    const [first, line, options, second, ...rest] = out;
    assert.deepEqual(states(first), [
      'kernel-arguments: done',
      // systemd's own unit has pages of the default size, which is going to be 1G.
      'hugetlbfs:/dev/hugepages: unchanged',
      'hugetlbfs:/mnt/huge: done',
    ]);
    assert.match(line ?? '', /hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=256 quiet$/);
    assert.match(options ?? '', /pagesize=2M/);
    assert.equal(json(second).changed, false, second);
    assert.deepEqual(rest, ['all taken back', 'the kernel keeps its arguments until a reboot', 'as before']);
  });

  it('killed on the way, it is resumed by doing it again, or undone', async function () {
    needsBigPages.call(this);
    const { out } = await run(`
      menu
      begin
      mkfifo "$work/reached" tmp/never
      mkdir tmp/pipes && mount --bind "$work" tmp/pipes
      kill_it() {
        printf '#!/bin/sh\\necho here > /tmp/pipes/reached\\ncat /tmp/never\\n' > etc/grub.d/09_wait
        chmod 755 etc/grub.d/09_wait
        setsid chroot $program setup $large --yes > /dev/null 2>&1 &
        read -r line < "$work/reached"
        kill -9 "-$!"
        wait "$!" || true
        rm etc/grub.d/09_wait
      }
      kill_it
      vh setup --undo --yes 2>/dev/null
      same
      kill_it
      vh setup $large --yes --json
      linux | grep -c 'hugepagesz=1G hugepages=1 '
      vh setup --undo --yes 2>/dev/null
      same
    `);
    const undone = ['all taken back', 'the kernel keeps its arguments until a reboot', 'as before'];
    assert.deepEqual(out.slice(0, 3), undone);
    assert.deepEqual(states(out[3]).slice(0, 2), ['kernel-arguments: done', 'hugepages-1G: done']);
    // Two kernels, each with an entry for rescue, and the newest one's in the first place once more.
    assert.equal(out[4], '5');
    assert.deepEqual(out.slice(5), undone);
  });

  it('a disk that fills up on the way: told with what was done, the file is whole, and it can be gone on with', async () => {
    const { out, err } = await run(`
      cp -a etc etc.disk
      mount -t tmpfs -o size=2m none etc
      cp -a etc.disk/. etc/
      mount --bind etc.disk/default/grub.d etc/default/grub.d
      begin
      dd if=/dev/zero of=etc/fill bs=4k 2>/dev/null || true
      vh setup $small --yes || echo "exit $?"
      cat etc/fstab
      rm etc/fill
      vh setup $small --yes --json || echo "exit $?"
      vh setup --undo --yes 2>/dev/null
      same
    `);
    assert.deepEqual(out.slice(0, 2), ['exit 1', '# static']);
    assert.match(err, /^vhost-host: hugetlbfs:\/dev\/hugepages failed \(done before it: hugepages-2M\): ENOSPC/m);
    assert.match(err, /^ {2}vhost-host setup --undo$/m);
    assert.deepEqual(states(out[2]), ['hugepages-2M: unchanged', 'hugetlbfs:/dev/hugepages: done']);
    // Without systemd the pages at each start are left to the user.
    assert.deepEqual(out.slice(3), ['exit 1', 'all taken back', 'as before']);
  });

  it('a read-only file system: what was done before is taken back', async () => {
    const { out, err } = await run(`
      menu
      begin
      mount --bind var var && mount -o remount,ro,bind var
      vh setup $small --yes || echo "exit $?"
      same
      umount var
      mount --bind etc etc && mount -o remount,ro,bind etc
      vh setup $small --yes || echo "exit $?"
      vh setup --undo --yes 2>/dev/null
      umount etc
      same
    `);
    assert.deepEqual(out, ['exit 1', 'as before', 'exit 1', 'all taken back', 'as before']);
    assert.match(err, /^vhost-host: nothing was changed, for hugepages-2M failed: EROFS/m);
    assert.match(err, /^vhost-host: hugetlbfs:\/dev\/hugepages failed \(done before it: hugepages-2M\): EROFS/m);
  });

  it('a command that fails: what was written for it is taken back', async function () {
    needsBigPages.call(this);
    const { out, err } = await run(`
      menu
      begin
      printf 'exit 3\\n' > etc/grub.d/09_broken
      chmod 755 etc/grub.d/09_broken
      vh setup $large --yes || echo "exit $?"
      rm etc/grub.d/09_broken
      vh setup --undo --yes 2>/dev/null
      same
    `);
    assert.deepEqual(out, ['exit 1', 'all taken back', 'the kernel keeps its arguments until a reboot', 'as before']);
    assert.match(err, /^vhost-host: kernel-arguments failed: update-grub failed \(exit code \d+\)/m);
  });

  it('the wizard on a narrow terminal: questions are answered, the plan is agreed to, and done', async function () {
    needsBigPages.call(this);
    const pages = Number(await readFile(SMALL, 'utf8')) + 8;
    const settled = await guardPools(scope());
    const child = await startInPrivateNamespace(
      scope(),
      `${LIVE}
      begin
      terminal 40 24 chroot $program setup || echo "exit $?"
      vh setup --undo --yes 2>/dev/null
      same`,
    );
    const typist = new Typist(child);
    await typist.answer(/Memory for guests/, `16M${KEY.enter}`);
    await typist.answer(/Pages of guests' memory/, `${KEY.down}${KEY.enter}`);
    await typist.answer(/2 MB pages for the switch/, `${pages}${KEY.enter}`);
    await typist.answer(/Network card for the switch/, KEY.enter);
    await typist.answer(/Change the host so\?/, `y${KEY.enter}`);
    const { code } = await within(child.ended, { deadline: 60_000, what: 'the end of the wizard' });
    await settled();
    const shown = plain(child.stdout);
    assert.equal(code, 0, shown + child.stderr);
    assert.match(shown, /^system: /m);
    assert.match(shown, new RegExp(`^\\+ hugepages: ${pages + 8} × 2M$`, 'm'));
    assert.match(shown, /\d changes? made; vhost-host setup --undo takes them back/);
    assert.match(shown, /all taken back\nas before\n$/);
  });

  it('Ctrl-C at a question, and a no to the plan: nothing is changed, and it says so', async () => {
    const child = await startInPrivateNamespace(
      scope(),
      `${LIVE}
      begin
      terminal 80 24 chroot $program setup || echo "exit $?"
      for turn in 1 2; do terminal 80 24 chroot $program setup $small || echo "exit $?"; done
      same`,
    );
    const typist = new Typist(child);
    await typist.answer(/Memory for guests/, KEY.interrupt);
    await typist.answer(/Change the host so\?/, KEY.enter);
    await typist.answer(/Change the host so\?[^]*Change the host so\?|exit 1[^]*Change the host so\?/, KEY.interrupt);
    await within(child.ended, { deadline: 60_000, what: 'the end of the wizards' });
    const shown = plain(child.stdout);
    assert.equal(shown.match(/cancelled: nothing was changed\nexit 1/g)?.length, 3, shown + child.stderr);
    assert.match(shown, /as before\n$/);
  });
});
