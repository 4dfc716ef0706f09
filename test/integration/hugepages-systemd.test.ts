import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { runToEnd } from '../helpers/child.js';
import { freshScope, needsRoot } from '../helpers/fresh-scope.js';
import { root, tempDir } from '../helpers/paths.js';

const big = '/sys/kernel/mm/hugepages/hugepages-1048576kB';

/**
 * A systemd of its own, as the first process of namespaces of its own, that starts nothing but a script and ends with
 * it. What it would set in /proc/sys is the machine's, so that is read-only; of the control groups it sees a part, once they are mounted anew.
 */
const BOOT = `
set -e
work=$1 repo=$2 node=$3 script=$4
mount -t tmpfs none "$work"
for dir in etc var; do
  mkdir -p "$work/$dir/upper" "$work/$dir/work"
  mount -t overlay none -o "lowerdir=/$dir,upperdir=$work/$dir/upper,workdir=$work/$dir/work" "/$dir"
done
for dir in /mnt /run /dev; do mount -t tmpfs none "$dir"; done
for device in 'console 5 1' 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
  set -- $device
  mknod -m 666 "/dev/$1" c "$2" "$3"
done
mount -t cgroup2 none /sys/fs/cgroup
group=$(mktemp -d /sys/fs/cgroup/vhost-host-XXXXXX)
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
trap 'echo 0 > "$own/cgroup.procs"; find "$group" -depth -type d -exec rmdir {} +' EXIT
echo 0 > "$group/cgroup.procs"
rm -rf /var/lib/vhost-host /etc/systemd/system /etc/fstab
mkdir -p /etc/systemd/system
cat > "$work/script" <<END
set -e
setup() { "$node" "$repo/build/test/helpers/hugepages-setup.js" "\\$@"; }
mounts() { sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - hugetlbfs [^ ]* \\(.*\\)\\$/\\1 \\2/p' /proc/self/mountinfo | sort; }
$script
END
cat > /etc/systemd/system/test.service <<END
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=40
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/sh "$work/script"
StandardOutput=file:$work/out
StandardError=file:$work/err
END
export container=other
unshare --pid --fork --kill-child --mount-proc --cgroup --ipc --uts --net sh -e -c '
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  umount /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
  exec /lib/systemd/systemd --system --unit=test.service --log-target=null --show-status=false' || failed=$?
cat "$work/out"
[ -z "$failed" ] || { cat "$work/err" >&2; exit "$failed"; }
`;

function whyNot(): string | undefined {
  if (!existsSync('/lib/systemd/systemd')) return 'systemd is not installed';
  return existsSync(big) ? needsRoot() : 'this kernel has hugepages of one size only';
}

describe('hugepages: mounts by a systemd that runs', function () {
  this.timeout(60_000);
  const scope = freshScope({ skip: whyNot });

  async function run(script: string): Promise<string[]> {
    const work = await tempDir(scope());
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', BOOT, 'sh', work, root, process.execPath, script];
    const { code, stdout, stderr } = await runToEnd(scope(), 'unshare', args, { deadline: 50_000 });
    assert.equal(code, 0, `${stderr}${stdout}`);
    return stdout.trimEnd().split('\n');
  }

  it("its own unit of /dev/hugepages gets the guests' size, the switch a unit, and undo takes both back", async () => {
    const mounts = [
      { path: '/dev/hugepages', pageSize: 2 ** 30 },
      { path: '/mnt/huge', pageSize: 2 ** 21, gid: 7, mode: 0o770 },
    ];
    const units = 'dev-hugepages.mount mnt-huge.mount';
    const out = await run(`
      systemctl start dev-hugepages.mount
      mounts
      setup mounts '${JSON.stringify({ now: true, mounts })}'
      mounts
      systemctl is-active ${units}
      systemctl is-enabled mnt-huge.mount
      systemctl stop ${units}
      mounts
      systemctl start ${units}
      mounts
      setup mounts '${JSON.stringify({ now: true, mounts })}'
      setup undo > /dev/null
      mounts
      systemctl is-active ${units} || true
      find /etc/systemd/system -name '*huge*'
    `);
    const wanted = ['/dev/hugepages rw,pagesize=1024M', '/mnt/huge rw,gid=7,mode=770,pagesize=2M'];
    const done = (line: string | undefined): unknown => (JSON.parse(line ?? '') as { done: string[] }).done;
    assert.equal(out[0], '/dev/hugepages rw,pagesize=2M');
    assert.deepEqual(done(out[1]), ['hugetlbfs:/dev/hugepages', 'hugetlbfs:/mnt/huge']);
    assert.deepEqual(out.slice(2, 7), [...wanted, 'active', 'active', 'enabled']);
    // What the units mount is what was mounted at once.
    assert.deepEqual(out.slice(7, 9), wanted);
    assert.deepEqual(done(out[9]), []);
    assert.deepEqual(out.slice(10), ['/dev/hugepages rw,pagesize=2M', 'active', 'inactive']);
  });
});
