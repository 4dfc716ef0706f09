import { strict as assert } from 'node:assert';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import { parse } from '../support.js';
import { XML, saved, withRunning, withScene } from './scene.js';

describe('vm attach and detach: a domain', () => {
  it('goes to the switch and back, ports and all', () =>
    withRunning(async ({ vm, libvirt, desk, runDir, state }) => {
      const web = libvirt.add('web', XML);
      const attached = await vm('attach', 'web', '--yes', '--connect', 'qemu:///session');
      assert.deepEqual([attached.code, attached.out.length], [0, 3], attached.err.join('\n'));
      assert.equal(attached.out[0], 'web is attached (native)');
      assert.match(attached.err.join('\n'), /^\+ {4}<interface type='vhostuser'>$/m);
      assert.match(
        attached.err.join('\n'),
        /^warning: interface 0 .* loses <vlan>; use the VLAN mode of its port, vhost-host ports add NAME --vlan access:N$/m,
      );
      assert.match(attached.err.join('\n'), /\{"name": "web-hostnet1"\} in "ports" of its configuration file/);
      assert.deepEqual(libvirt.calls[0]?.slice(0, 2), ['-c', 'qemu:///session']);
      assert.deepEqual(
        desk.binding.ports().map(({ name }) => name),
        ['web-hostnet0', 'web-hostnet1'],
      );
      assert.ok(web.xml.includes(`path='${portSocketPath(runDir, 'web-hostnet0')}'`));
      assert.deepEqual(saved(state), [`${web.uuid}.json`]);
      assert.equal(statSync(join(state, 'domains')).mode & 0o777, 0o700);
      assert.equal(statSync(join(state, 'domains', `${web.uuid}.json`)).mode & 0o777, 0o600);

      const again = await vm('attach', 'web', '--yes');
      assert.deepEqual([again.code, again.err], [0, []]);
      assert.equal(again.out[0], 'web is attached already, there is nothing to do');

      const detached = await vm('detach', 'web', '--yes', '--connect', 'qemu:///session');
      assert.deepEqual([detached.code, detached.out], [0, ['web is as it was before']]);
      assert.equal(web.xml, XML);
      assert.deepEqual(desk.binding.ports(), []);
      assert.deepEqual(saved(state), []);
      assert.equal((await vm('detach', 'web', '--yes')).out[0], 'web is not attached, there is nothing to do');
    }));

  it('a port that its guest still uses stays, and one that the switch lost comes back', () =>
    withRunning(async ({ vm, libvirt, desk }) => {
      libvirt.add('web', XML, { state: 'running' });
      const attached = await vm('attach', 'web', '--yes', '--nic', '0', '--port', 'p', '--queues', '2', '--offloads');
      assert.equal(attached.out.at(-1), 'not at work yet, it is running: virsh shutdown web, then virsh start web');
      assert.deepEqual(desk.binding.added.at(-1)?.offloads, true);
      await desk.run(
        'ports',
        'rm',
        'p',
        '--run-dir',
        desk.binding.added.at(-1)?.socketPath.replace(/\/[^/]*$/, '') ?? '',
      );
      assert.deepEqual(desk.binding.ports(), []);
      assert.match((await vm('attach', 'web', '--yes', '--nic', '0', '--offloads')).out[0] ?? '', /nothing to do/);
      assert.deepEqual(
        desk.binding.ports().map(({ name, queuePairs }) => [name, queuePairs]),
        [['p', 2]],
      );
    }));

  it('--json tells it all in one object, both ways', () =>
    withRunning(async ({ vm, libvirt, desk }) => {
      libvirt.add('web', XML, { managedSave: true });
      const { out, err } = await vm(
        'attach',
        'web',
        '--yes',
        '--json',
        '--nic',
        '52:54:00:00:00:02',
        '--mode',
        'native',
      );
      const answer = parse(out[0]);
      assert.deepEqual([out.length, err, answer['changed'], answer['mode']], [1, [], true, 'native']);
      assert.match(String(answer['waits']), /virsh managedsave-remove web/);
      const [port] = answer['ports'] as { nic: number; port: string }[];
      assert.deepEqual([port?.nic, port?.port], [1, 'web-hostnet1']);
      desk.binding.connect('web-hostnet1');
      const back = parse((await vm('detach', 'web', '--yes', '--json')).out[0]);
      assert.deepEqual([back['how'], back['portsLeft']], ['whole', ['web-hostnet1']]);
    }));

  it('what else was changed in between is kept', () =>
    withScene(async ({ vm, libvirt }) => {
      const web = libvirt.add('web', XML);
      await vm('attach', 'web', '--yes');
      web.xml = web.xml.replace('262144', '524288');
      const detached = await vm('detach', 'web', '--yes');
      assert.equal(detached.out[0], 'web is detached, with what else was changed kept');
      assert.equal(web.xml.replace('524288', '262144').replace(/\s/g, '').length, XML.replace(/\s/g, '').length);
      assert.ok(!web.xml.includes('vhostuser') && web.xml.includes('524288'));
    }));

  it('what attach had set and somebody has set otherwise is not guessed at', () =>
    withScene(async ({ vm, libvirt }) => {
      const web = libvirt.add('web', XML);
      await vm('attach', 'web', '--yes');
      web.xml = web.xml.replace("timeout='1'", "timeout='9'");
      const { code, err } = await vm('detach', 'web', '--yes');
      assert.equal(code, 1);
      assert.match(
        err[0] ?? '',
        /^web was changed since .*: interface 0 .*: <source><reconnect> timeout=$|interface 1/,
      );
      assert.match(err[1] ?? '', /virsh edit web/);
    }));

  it('an interface that is gone is no hindrance', () =>
    withScene(async ({ vm, libvirt }) => {
      const web = libvirt.add('web', XML);
      await vm('attach', 'web', '--yes');
      web.xml = web.xml.replace(
        / *<interface type='vhostuser'>\s*<mac address='52:54:00:00:00:01'[^]*?<\/interface>\n/,
        '',
      );
      const { code, err } = await vm('detach', 'web', '--yes');
      assert.equal(code, 0, err.join('\n'));
      assert.ok(err.includes('interface 0 (52:54:00:00:00:01) is gone: nothing to take back there'));
      assert.ok(!web.xml.includes('vhostuser'));
    }));

  it('two attaches, one detach', () =>
    withScene(async ({ vm, libvirt }) => {
      const web = libvirt.add('web', XML);
      await vm('attach', 'web', '--yes', '--nic', '0');
      await vm('attach', 'web', '--yes', '--nic', '1', '--socket', '/x/s.sock');
      assert.ok(web.xml.includes("path='/x/s.sock'"));
      await vm('detach', 'web', '--yes');
      assert.equal(web.xml, XML);
    }));

  it('wrap mode names the wrapper, and asks for it to be there', () =>
    withScene(async ({ vm, libvirt, dir }) => {
      const web = libvirt.add('web', XML);
      const wrapper = join(dir, 'qemu-wrap');
      const none = await vm('attach', 'web', '--mode', 'wrap', '--yes', '--wrapper', wrapper);
      assert.deepEqual([none.code, none.err[1]], [1, 'sudo vhost-host libvirt setup']);
      writeFileSync(wrapper, '');
      const attached = await vm(
        'attach',
        'web',
        '--mode',
        'wrap',
        '--yes',
        '--wrapper',
        wrapper,
        '--hugepages',
        'none',
      );
      assert.deepEqual([attached.code, attached.out], [0, ['web is attached (wrap)']]);
      assert.ok(web.xml.includes(`<emulator>${wrapper}</emulator>`));
      assert.equal(web.xml.match(/<driver name='vhost'\/>/g)?.length, 2);
      await vm('detach', 'web', '--yes');
      assert.equal(web.xml, XML);
    }));

  it('an old libvirt gets wrap mode, and is told why', () =>
    withScene(async ({ vm, libvirt, dir }) => {
      libvirt.add('web', XML);
      libvirt.version = '4.9.0';
      writeFileSync(join(dir, 'qemu-wrap'), '');
      const { out, err } = await vm('attach', 'web', '--yes', '--wrapper', join(dir, 'qemu-wrap'));
      assert.equal(out[0], 'web is attached (wrap)');
      assert.ok(err.includes('libvirt 4.9 is too old for native mode (4.10): attached by qemu-wrap'));
    }));
});
