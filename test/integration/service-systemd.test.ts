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
});
