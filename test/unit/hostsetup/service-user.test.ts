import { deepEqual, equal, match } from 'node:assert/strict';
import type { ServiceSpec } from '../../../src/hostsetup/service/plan.js';
import { USER_PATH, userText } from '../../../src/hostsetup/service/user.js';
import type { MemoryHost } from '../host/memory-host.js';
import { applyOnce, commandsOf, cycle, refusalOf } from './plan-support.js';
import { UNIT, machine, plan } from './service-support.js';

describe('setup: the service as a user of its own', () => {
  it('is that again at the next run, and root again where something needs it', async () => {
    const memory = machine();
    const own = { ownUser: true };
    const sysusers = 'systemd-sysusers /etc/sysusers.d/vhost-host-user.conf';
    deepEqual(commandsOf(await plan(memory, own)), [sysusers, 'systemctl daemon-reload', `systemctl enable ${UNIT}`]);
    await cycle(memory, () => plan(memory, own));
    await applyOnce(memory, () => plan(memory, own));
    equal(await memory.host.read(USER_PATH), userText('kvm'));
    match(await memory.host.read('/etc/sysusers.d/vhost-host-user.conf'), /^u vhost-host - /m);
    deepEqual(commandsOf(await plan(memory)), []);
    equal(await memory.host.read(USER_PATH), userText('kvm'));
    for (const spec of [{ needsRoot: 'the network card 0000:03:00.0' }, { ownUser: false }]) {
      const { steps } = await plan(memory, spec);
      match(steps.find(({ id }) => id === 'service')?.diff ?? '', /^-User=vhost-host$/m);
    }
    await applyOnce(memory, () => plan(memory, { needsRoot: '/dev/usvhost-N (--cuse)' }));
    equal(/^User=/m.test(await memory.host.read(USER_PATH)), false);
    deepEqual(commandsOf(await plan(memory)), []);
  });

  it('runs with the group that the configuration opens its sockets to', async () => {
    const memory = machine({ group: 'kvm:x:108:\nqemu:x:107:\n' });
    memory.file(
      '/etc/vhost-host/switch.json',
      '{"socket": {"group": "qemu"}, "uplinks": [{"name": "lan", "device": "eth1"}]}',
    );
    await applyOnce(memory, () => plan(memory, { ownUser: true }));
    match(await memory.host.read(USER_PATH), /^Group=qemu$/m);
  });

  it('is refused where that one could not serve', async () => {
    const refusal = (memory: MemoryHost, spec: Partial<ServiceSpec>) =>
      refusalOf(plan(memory, { ownUser: true, ...spec }));
    const configured = (text: string): MemoryHost => machine().file('/etc/vhost-host/switch.json', text);
    const cases: [MemoryHost, Partial<ServiceSpec>, RegExp][] = [
      [machine(), { needsRoot: '/dev/usvhost-N (--cuse)' }, /^--own-user: \/dev\/usvhost-N \(--cuse\) needs root$/],
      [configured('{"uplinks": [{"name": "lan", "device": "0000:03:00.0"}]}'), {}, /has the card 03:00\.0, which/],
      [configured('{"uplinks": [{"name": "lan", "device": "03:00.1,x=1"}]}'), {}, /has the card 03:00\.1, which/],
      [configured('{"ports": [{"name": "a", "transports": ["user", "cuse"]}]}'), {}, /has a port with a device, which/],
      [
        machine().dir('/root', 0o700).file('/root/vh/bin/vhost-host', '', 0o755),
        { binary: '/root/vh/bin/vhost-host' },
        /^--own-user: \/root is closed to users other than its own$/,
      ],
      [
        machine().file('/etc/vhost-host/switch.json', '{}', 0o600),
        {},
        /^--own-user: \/etc\/vhost-host\/switch\.json is closed/,
      ],
    ];
    for (const [memory, spec, words] of cases) match((await refusal(memory, spec)).message, words);
  });
});
