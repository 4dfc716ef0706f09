import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../../helpers/until.js';
import { portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import { A, B, ONE_NIC, attached, byHand, numbered, withRunning } from './scene.js';
import type { Scene } from './scene.js';

/** As `virt-clone` makes it: another name, number and address. */
const cloned = (xml: string): string =>
  numbered(xml.replace('<name>web', '<name>copy'), B).replace(/(<mac address='52:54:00:00:00:)01/, '$199');

describe('vm: a port belongs to one domain', () => {
  it('the copy of an attached domain is found, gets a port of its own, and goes back to where the first came from', () =>
    withRunning(async (scene) => {
      const { vm, libvirt, desk } = scene;
      const web = await attached(scene);
      const copy = libvirt.add('copy', cloned(web.xml), { uuid: B });
      const found = await vm('check', 'copy');
      assert.equal(found.code, 2);
      assert.match(
        found.out.slice(0, 2).join('\n'),
        /^copy: error port-shared: interface 0 .* is on port web-hostnet0, and so is interface 0 \(52:54:00:00:00:01\) of domain web: .*\n.* fix: vhost-host vm attach copy$/,
      );
      // From the other side as well, with what fixes it: the port is web's.
      assert.match((await vm('check', 'web')).out[1] ?? '', /fix: vhost-host vm attach copy$/);
      const all = await vm('check', '--all');
      assert.equal(all.out.filter((line) => /error port-shared/.test(line)).length, 2);
      const first = await vm('attach', 'web', '--yes');
      assert.match(first.out[0] ?? '', /attached already/);

      const given = await vm('attach', 'copy', '--yes');
      assert.equal(given.code, 0, given.err.join('\n'));
      assert.match(given.out[1] ?? '', /is on port copy-hostnet0/);
      assert.match(
        given.err.join('\n'),
        /^port web-hostnet0 belongs to interface 0 .* of domain web; vm detach brings interface 0 .* back to what it was before it came to port web-hostnet0$/m,
      );
      assert.deepEqual((await vm('check', '--all')).out, ['web: nothing found', 'copy: nothing found']);

      assert.equal((await vm('detach', 'copy', '--yes')).code, 0);
      assert.ok(copy.xml.includes("<source bridge='br0'/>") && !/vhostuser|memfd/.test(copy.xml));
      assert.deepEqual(
        desk.binding.ports().map(({ name }) => name),
        ['web-hostnet0'],
      );
      assert.match(web.xml, /port-web-hostnet0\.sock/);
    }));

  it('a copy whose XML tells nothing of it is told where detach leads', () =>
    withRunning(async (scene) => {
      const { vm, libvirt } = scene;
      const web = await attached(scene);
      libvirt.add('copy', byHand(cloned(web.xml)), { uuid: B });
      const { code, err } = await vm('attach', 'copy', '--yes');
      assert.equal(code, 0);
      assert.match(
        err.join('\n'),
        /^warning: .*nothing tells what interface 0 .* was before: vm detach brings it back to/m,
      );
    }));

  it('a copy that was never attached goes back by itself, and leaves the first its port', () =>
    withRunning(async (scene) => {
      const { vm, libvirt, desk } = scene;
      const web = await attached(scene);
      const copy = libvirt.add('copy', cloned(web.xml), { uuid: B });
      assert.equal((await vm('detach', 'copy', '--yes')).code, 0);
      assert.ok(copy.xml.includes("<source bridge='br0'/>"));
      assert.equal(desk.binding.ports().length, 1);
    }));

  it('renamed, and a new one of the old name: the port stays the first one’s', () =>
    withRunning(async (scene) => {
      const { vm, libvirt } = scene;
      const web = await attached(scene);
      web.xml = web.xml.replace('<name>web', '<name>uno');
      libvirt.domains.delete('web');
      libvirt.domains.set('uno', { ...web, uuid: A, state: 'shut off', persistent: true, managedSave: false });
      const next = libvirt.add('web', numbered(ONE_NIC, B), { uuid: B });
      assert.match((await vm('attach', 'web', '--yes')).out[1] ?? '', /is on port web-hostnet0-2, /);
      assert.match(next.xml, /port-web-hostnet0-2\.sock/);
      assert.match((await vm('attach', 'uno', '--yes')).out[0] ?? '', /attached already/);
      assert.equal((await vm('check', '--all')).code, 0);
    }));

  it('--port and --socket of another domain are refused, and its port is not taken in wrap mode either', () =>
    withRunning(async (scene) => {
      const { vm, libvirt, dir, runDir } = scene;
      await attached(scene, '--port', 'copy-hostnet0');
      libvirt.add('copy', numbered(ONE_NIC.replace('<name>web', '<name>copy'), B), { uuid: B });
      const wrapper = join(dir, 'qemu-wrap');
      writeFileSync(wrapper, '');
      for (const options of [
        ['--port', 'copy-hostnet0'],
        ['--socket', portSocketPath(runDir, 'copy-hostnet0')],
        ['--mode', 'wrap', '--wrapper', wrapper],
      ]) {
        const { code, err } = await vm('attach', 'copy', '--yes', ...options);
        assert.equal(code, 1);
        assert.match(err[0] ?? '', /copy-hostnet0\S* belongs to interface 0 .* of domain web$/);
      }
      assert.match((await vm('attach', 'copy', '--yes')).out[1] ?? '', /is on port copy-hostnet0-2/);
    }));

  it('a port that somebody else is connected to is given to nobody', () =>
    withRunning(async ({ vm, libvirt, desk, runDir }) => {
      libvirt.add('web', ONE_NIC);
      await desk.run('ports', 'add', 'web-hostnet0', '--run-dir', runDir);
      desk.binding.connect('web-hostnet0');
      await until(async () => /connected|ready/.test((await desk.run('ports', '--run-dir', runDir)).out.join()), {
        deadline: 5_000,
        what: 'the port to be connected',
      });
      const taken = await vm('attach', 'web', '--yes', '--port', 'web-hostnet0');
      assert.match(taken.err[0] ?? '', /^port web-hostnet0 has a guest, and web is not running$/);
      assert.match((await vm('attach', 'web', '--yes')).out[1] ?? '', /is on port web-hostnet0-2/);
    }));

  it('old XML that comes back, with its port in other hands by then', () =>
    withRunning(async (scene) => {
      const { vm, libvirt } = scene;
      const web = await attached(scene);
      const old = web.xml;
      await vm('detach', 'web', '--yes');
      const other = libvirt.add('copy', numbered(ONE_NIC.replace('<name>web', '<name>copy'), B), { uuid: B });
      await vm('attach', 'copy', '--yes', '--port', 'web-hostnet0');
      web.xml = old;
      assert.match((await vm('check', 'web')).out[0] ?? '', /error port-shared: /);
      assert.match((await vm('attach', 'web', '--yes')).out[1] ?? '', /is on port web-hostnet0-2/);
      assert.ok(other.xml.includes('port-web-hostnet0.sock'));
      await vm('detach', 'web', '--yes');
      assert.ok(web.xml.includes("<source bridge='br0'/>"));
    }));
});

describe('vm hook: a port that has a guest', () => {
  const hook = async ({ vm, libvirt }: Scene, xml: string): ReturnType<Scene['vm']> => {
    libvirt.stdin = xml;
    return await vm('hook');
  };
  const qemu = (name: string, socket: string): string[] => [
    '/usr/bin/qemu-system-x86_64',
    '-name',
    `guest=${name},debug-threads=on`,
    '-chardev',
    `socket,id=charnet0,path=${socket},reconnect=1`,
  ];

  it('is refused at once, naming whose it is and what fixes it', () =>
    withRunning(async (scene) => {
      const { libvirt, desk, runDir } = scene;
      const web = await attached(scene);
      const socket = portSocketPath(runDir, 'web-hostnet0');
      desk.binding.connect('web-hostnet0');
      // One whose socket only begins the same is not it.
      libvirt.processes
        .set('41', qemu('wrong', `${socket}0`))
        .set('42', qemu('web', socket))
        .set('self', []);
      const { code, out, err } = await hook(scene, cloned(web.xml));
      assert.deepEqual([code, out], [2, ['refuse']]);
      assert.equal(
        err[0],
        'vhost-host: copy is not started: port web-hostnet0 of interface 0 (52:54:00:00:00:99) has a guest already: ' +
          'web, process 42; fix: vhost-host vm attach copy, which gives it a port of its own',
      );
      // The other way round it is the copy that has to move.
      libvirt.processes.set('42', qemu('copy', socket));
      assert.match(
        (await hook(scene, web.xml)).err[0] ?? '',
        /already: copy, process 42; fix: vhost-host vm attach copy,/,
      );
      libvirt.processes.set('42', ['/usr/bin/dpdk-testpmd', `--vdev=net_virtio_user0,path=${socket},queues=1`]);
      assert.match((await hook(scene, web.xml)).err[0] ?? '', /already: dpdk-testpmd, process 42; fix: /);
    }));

  it('one that nobody shows to be on is waited for, and not for ever', () =>
    withRunning(async (scene) => {
      const { desk } = scene;
      const web = await attached(scene);
      desk.binding.connect('web-hostnet0');
      const real = desk.fakeHost!;
      let looks = 0;
      desk.fakeHost = { ...real, now: () => ++looks * 1_000 };
      const { code, err } = await hook(scene, web.xml);
      assert.equal(code, 2);
      assert.match(
        err[0] ?? '',
        /has a guest already: a guest that does not show itself; fix: vhost-host vm attach web/,
      );
      // The guest's own from before, which is ending.
      desk.fakeHost = {
        ...real,
        list: (path) => {
          if (path === '/proc') desk.binding.disconnect('web-hostnet0');
          return real.list(path);
        },
      };
      assert.deepEqual(await hook(scene, web.xml), { code: 0, out: [], err: [] });
    }));
});
