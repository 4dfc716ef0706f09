import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { runToEnd } from '../child.js';
import { needsRoot } from '../fresh-scope.js';
import { root, tempDir } from '../paths.js';
import type { Scope } from '../scope.js';

/** For a shell script in a mount namespace of its own: a part of the control groups, gone again with the script. */
export const OWN_CGROUP = `
mount -t cgroup2 none /sys/fs/cgroup
group=$(mktemp -d /sys/fs/cgroup/vhost-host-XXXXXX)
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
trap 'echo 0 > "$own/cgroup.procs"; find "$group" -depth -type d -exec rmdir {} +' EXIT
echo 0 > "$group/cgroup.procs"`;

/**
 * A systemd of its own, as the first process of namespaces of its own, that starts nothing but a script and ends
 * with it. What it would set in /proc/sys is the machine's, so that is read-only; of the control groups it sees a part,
 * once they are mounted anew.
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
mkdir /dev/net
mknod -m 666 /dev/net/tun c 10 200
${OWN_CGROUP}
rm -rf /var/lib/vhost-host /etc/systemd/system /etc/fstab
mkdir -p /etc/systemd/system
cat > "$work/script" <<END
set -e
repo=$repo node=$node
$script
END
cat > /etc/systemd/system/test.service <<END
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=200
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

/** Why there is none to be had. */
export function needsSystemd(): string | undefined {
  return existsSync('/lib/systemd/systemd') ? needsRoot() : 'systemd is not installed';
}

/** Runs a shell script as a service of such a systemd, with `$repo` and `$node` set. Return: the lines that it prints. */
export async function underSystemd(scope: Scope, script: string): Promise<string[]> {
  const work = await tempDir(scope);
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', BOOT, 'sh', work, root, process.execPath, script];
  const { code, stdout, stderr } = await runToEnd(scope, 'unshare', args, { deadline: 240_000 });
  assert.equal(code, 0, `${stderr}${stdout}`);
  return stdout.trimEnd().split('\n');
}
