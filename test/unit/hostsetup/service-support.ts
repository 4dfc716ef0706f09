import { planService } from '../../../src/hostsetup/service/plan.js';
import type { ServiceSpec } from '../../../src/hostsetup/service/plan.js';
import { ENABLED_LINK, UNIT_PATH } from '../../../src/hostsetup/service/unit.js';
import { MemoryHost } from '../host/memory-host.js';

export const BINARY = '/opt/vhost-host/bin/vhost-host';
export const UNIT = 'vhost-host.service';

/** One with systemd and the program, and the commands that the service takes. */
export function machine({ running = true, group = 'kvm:x:108:\n' } = {}): MemoryHost {
  const memory = new MemoryHost({ '/usr/bin/node': '', '/usr/lib/systemd/systemd': '', '/etc/group': group });
  memory.file(BINARY, '', 0o755).dir('/etc/security/limits.d').dir('/var/lib').dir('/etc/sysusers.d');
  memory.dir('/etc/systemd/system/multi-user.target.wants');
  if (running) memory.dir('/run/systemd/system');
  const link = (there: boolean) => () => {
    memory.entries.delete(ENABLED_LINK);
    if (there) memory.link(ENABLED_LINK, UNIT_PATH);
    return {};
  };
  memory.commands.set(`systemctl enable ${UNIT}`, link(true));
  memory.commands.set(`systemctl disable ${UNIT}`, link(false));
  memory.commands.set(`systemctl disable --now ${UNIT}`, link(false));
  memory.commands.set('systemd-sysusers /etc/sysusers.d/vhost-host-user.conf', () => {
    memory.file('/etc/passwd', 'vhost-host:x:991:991::/:/usr/sbin/nologin\n');
    return {};
  });
  memory.commands.set('userdel vhost-host', () => {
    memory.entries.delete('/etc/passwd');
    return {};
  });
  memory.commands.set('systemd-sysusers /etc/sysusers.d/vhost-host.conf', () => {
    memory.file('/etc/group', `${group}switch:x:990:\n`);
    return {};
  });
  memory.commands.set('groupdel switch', () => {
    memory.file('/etc/group', group);
    return {};
  });
  return memory;
}

export const plan = (memory: MemoryHost, spec: Partial<ServiceSpec> = {}) =>
  planService(memory.host, { start: true, binary: BINARY, ...spec });
