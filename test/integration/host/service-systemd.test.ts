import assert from 'node:assert/strict';
import { unitText } from '../../../src/hostsetup/service/unit.js';
import { userText } from '../../../src/hostsetup/service/user.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { needsSystemd, underSystemd } from '../../helpers/host/own-systemd.js';
import { bin } from '../../helpers/paths.js';

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
  this.timeout(300_000);
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
      until [ "$(main)" != "$first" ] && [ "$(systemctl is-active vhost-host)" = active ]; do sleep 0.1; done
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

  it('serves as a user of its own ports for the group that runs QEMU, a tap and a shared interface', async () => {
    const out = await underSystemd(
      scope(),
      `
      # That user passes no directory of somebody's own.
      mkdir /mnt/repo
      mount --bind "$repo" /mnt/repo
      repo=/mnt/repo
      ${INSTALL.replaceAll(bin.vhostHost, '/mnt/repo/bin/vhost-host')}
      mkdir -p /etc/sysusers.d
      printf 'u vhost-host - "vhost-host switch"\\ng kvm -\\n' > /etc/sysusers.d/vhost-host.conf
      systemd-sysusers /etc/sysusers.d/vhost-host.conf 2>&1 | grep -v Creating || true
      cat > /etc/systemd/system/vhost-host.service.d/own-user.conf <<USER
${userText('kvm')}
USER
      systemctl daemon-reload
      mkdir -p /etc/vhost-host
      echo '{"ports": [{"name": "db"}]}' > /etc/vhost-host/switch.json
      # As a switch of root's has left it.
      mkdir -m 750 /run/vhost-host
      echo before > /run/vhost-host/switch.log
      ip link add wire0 type veth peer name wire1
      systemctl start vhost-host
      pid=$(main)
      stat -c %U /proc/$pid
      vh() { "$repo/bin/vhost-host" "$@" --run-dir /run/vhost-host; }
      stat -c '%n %a %U %G' /run/vhost-host /run/vhost-host/port-db.sock /run/vhost-host/wrap.sock /run/vhost-host/api.sock
      vh uplinks add net net_tap0,iface=tapped > /dev/null
      vh uplinks add shared wire0 > /dev/null
      ip -o link show tapped | grep -o tapped:
      vh uplinks --json | grep -o '"device": *"[^"]*"' | tr -d ' '
      setpriv --reuid nobody --regid nogroup --groups kvm "$node" -e '
        const s = require("net").connect("/run/vhost-host/port-db.sock", () => console.log("a guest connects"));
        s.on("error", (e) => console.log(e.code)); setTimeout(() => s.destroy(), 300);'
      sed -n 's/^Cap\\(Eff\\|Prm\\|Bnd\\):\\t0*//p' /proc/$pid/status
      kill -9 "$pid"
      until [ "$(main)" != "$pid" ] && [ "$(systemctl is-active vhost-host)" = active ]; do sleep 0.1; done
      until vh ports --json > /run/ports 2>/dev/null; do sleep 0.1; done
      grep -o '"name": *"db"' /run/ports | tr -d ' '
      systemctl stop vhost-host
      ls /run/vhost-host
    `,
    );
    assert.deepEqual(out, [
      'vhost-host',
      '/run/vhost-host 750 vhost-host kvm',
      '/run/vhost-host/port-db.sock 660 vhost-host kvm',
      '/run/vhost-host/wrap.sock 660 vhost-host kvm',
      '/run/vhost-host/api.sock 600 vhost-host kvm',
      'tapped:',
      '"device":"net_tap0,iface=tapped"',
      '"device":"net_af_packet0,iface=wire0"',
      'a guest connects',
      // CAP_NET_ADMIN and CAP_NET_RAW: permitted, effective and bounding.
      ...['3000', '3000', '3000'],
      '"name":"db"',
      // Of DPDK's EAL, which has it in /run/dpdk where the switch is root's.
      'dpdk',
      'switch.log',
    ]);
  });
});
