import assert from 'node:assert/strict';
import { unitText } from '../../src/hostsetup/service-unit.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { needsSystemd, underSystemd } from '../helpers/own-systemd.js';
import { bin } from '../helpers/paths.js';

/** Without dependencies it draws no other service of the system in. */
const INSTALL = `
cat > /etc/systemd/system/vhost-host.service <<UNIT
${unitText({ binary: bin.vhostHost, config: undefined }).replaceAll('$', '\\$')}
UNIT
mkdir /etc/systemd/system/vhost-host.service.d
printf '[Unit]\\nDefaultDependencies=no\\n' > /etc/systemd/system/vhost-host.service.d/alone.conf
systemctl daemon-reload
main() { systemctl show --property MainPID --value vhost-host; }
status() { "$repo/bin/vhost-host" status --run-dir /run/vhost-host --json | sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p'; }
`;

describe('the service under a systemd that runs', function () {
  this.timeout(60_000);
  const scope = freshScope({ skip: needsSystemd });

  it('is the switch alone: it comes back when it was killed, and what keeps devices outlives it', async () => {
    const out = await underSystemd(
      scope(),
      `${INSTALL}
      systemctl start vhost-host
      first=$(main)
      [ "$first" = "$(status)" ] && echo started
      # In the place of the process that keeps devices, for which this kernel may have no module.
      sleep 1000 &
      echo $! > /sys/fs/cgroup/system.slice/vhost-host.service/cgroup.procs
      kill -9 "$first"
      until [ "$(systemctl is-active vhost-host)" = active ] && [ "$(main)" != "$first" ]; do sleep 0.1; done
      [ "$(main)" = "$(status)" ] && echo back
      systemctl restart vhost-host
      [ "$(main)" = "$(status)" ] && echo restarted
      systemctl stop vhost-host
      systemctl is-active vhost-host || true
      ls /run/vhost-host
      kill $! && echo kept
    `,
    );
    assert.deepEqual(out, ['started', 'back', 'restarted', 'inactive', 'switch.log', 'kept']);
  });

  it('has ports for the group that runs QEMU, a tap and a shared interface, and no place but those of services', async () => {
    const out = await underSystemd(
      scope(),
      `${INSTALL}
      ip link add wire0 type veth peer name wire1
      mkdir -p /mnt/elsewhere
      systemctl start vhost-host
      pid=$(main)
      vh() { "$repo/bin/vhost-host" "$@" --run-dir /run/vhost-host; }
      vh ports add web --socket /var/lib/web.sock > /dev/null
      stat -c '%a %G' /var/lib/web.sock
      vh uplinks add net net_tap0,iface=tapped > /dev/null
      vh uplinks add shared wire0 > /dev/null
      ip -o link show tapped | grep -o tapped:
      vh uplinks --json | grep -o '"device": *"[^"]*"' | tr -d ' '
      for place in /tmp /mnt/elsewhere /home/somebody; do
        vh ports add no --socket "$place/no.sock" 2>&1 | head -1
      done
      sed -n 's/^CapEff:\\t0*//p' /proc/$pid/status
      nsenter --mount --target $pid sh -c ': > /sys/kernel/mm/transparent_hugepage/khugepaged/defrag' 2>&1 | grep -o Read-only
      systemctl stop vhost-host
    `,
    );
    assert.deepEqual(out, [
      '660 kvm',
      'tapped:',
      '"device":"net_tap0,iface=tapped"',
      '"device":"net_af_packet0,iface=wire0"',
      'vhost-host: port no: /tmp is no place for its socket: /tmp is one of its own',
      'vhost-host: port no: /mnt/elsewhere is no place for its socket: /mnt is read-only for it',
      'vhost-host: port no: /home/somebody is no place for its socket: /home is closed to it',
      // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_PTRACE.
      '83006',
      'Read-only',
    ]);
  });
});
