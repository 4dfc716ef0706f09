import assert from 'node:assert/strict';
import { runToEnd } from '../helpers/child.js';
import { OWN_CGROUP } from '../helpers/host/own-systemd.js';
import { root, tempDir } from '../helpers/paths.js';
import type { Scope } from '../helpers/scope.js';
import { FUNCTIONS, cleanDebian } from './clean-debian.js';

/** Within the clean Debian its own systemd is the first process, and a script is its only service. */
const BOOT = `
set -e
work=$1 repo=$2 node=$3 script=$4
mount -t tmpfs none "$work"
PREPARE
${OWN_CGROUP}
# It decides there what is started.
rm usr/sbin/policy-rc.d
{ cat <<'END'
set -e
cd /
work=/srv
${FUNCTIONS}
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
END
printf '%s\n' "$script"; } > srv/script
cat > etc/systemd/system/test.service <<END
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=580
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/sh /srv/script
StandardOutput=file:/var/log/out
StandardError=file:/var/log/err
END
mkdir old
export container=other
unshare --mount --propagation private --pid --fork --kill-child --cgroup --ipc --uts --net sh -e -c '
  pivot_root . old
  cd /
  umount -l old
  umount /proc
  mount -t proc none /proc
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  mount -t cgroup2 none /sys/fs/cgroup
  exec /lib/systemd/systemd --system --unit=test.service --log-target=null --show-status=false' || failed=$?
cat var/log/out
[ -z "$failed" ] || { cat var/log/err >&2; exit "$failed"; }
`;

/** Runs a shell script in a clean Debian that systemd has booted; `prepare` before that, outside. Return: what it prints. */
export async function inBootedDebian(
  scope: Scope,
  release: string,
  { prepare, script, deadline }: { prepare: string; script: string; deadline: number },
): Promise<string> {
  const work = await tempDir(scope);
  const boot = BOOT.replace('PREPARE', () => `${cleanDebian(release)}\n${prepare}`);
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', boot, 'sh', work, root, process.execPath, script];
  const { code, stdout, stderr } = await runToEnd(scope, 'unshare', args, { deadline });
  assert.equal(code, 0, `${stderr}${stdout}`);
  return stdout;
}
