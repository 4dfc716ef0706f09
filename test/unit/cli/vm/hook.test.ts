import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { VhostHostError } from '../../../../src/common/errors.js';
import { portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import { XML, byHand, withRunning, withScene } from './scene.js';
import type { Scene } from './scene.js';

const STARTS = { code: 0, out: [], err: [] };

/** The domain as it stands, as libvirt gives it to a hook. */
async function hook({ vm, libvirt }: Scene): ReturnType<Scene['vm']> {
  const { xml = '', uuid = '' } = libvirt.domains.get('web') ?? {};
  libvirt.stdin = xml.replace('<name>', `<uuid>${uuid}</uuid><name>`);
  libvirt.calls.length = 0;
  const outcome = await vm('hook');
  assert.deepEqual(libvirt.calls, [], 'libvirt waits for the hook, and must not be asked by it');
  return outcome;
}

async function attached(scene: Scene, ...options: string[]): Promise<void> {
  scene.libvirt.add('web', XML);
  await scene.vm('attach', 'web', '--yes', ...options);
}

function refused({ code, out, err }: Awaited<ReturnType<Scene['vm']>>): string {
  assert.deepEqual([code, out, err.length], [2, ['refuse'], 1], err.join('\n'));
  return err[0] ?? '';
}

describe('vm hook: before a guest starts', () => {
  it('a switch that does not run is named, with the command that starts it', () =>
    withScene(async (scene) => {
      await attached(scene);
      const { runDir } = scene;
      assert.equal(
        refused(await hook(scene)),
        `vhost-host: web is not started: no switch is running in ${runDir} for interface 0 (52:54:00:00:00:01); ` +
          `fix: vhost-host start --run-dir ${runDir}`,
      );
    }));

  it('a socket that attach has given it counts, wherever it is', () =>
    withScene(async (scene) => {
      const { dir, libvirt } = scene;
      await attached(scene, '--nic', '0', '--socket', join(dir, 'own.sock'));
      assert.match(refused(await hook(scene)), /no switch is running in /);
      // The same socket in a domain that we never touched is somebody else's.
      libvirt.add('web', byHand(libvirt.domains.get('web')?.xml ?? ''));
      libvirt.domains.get('web')!.uuid = 'another';
      assert.deepEqual(await hook(scene), STARTS);
    }));

  it('ports are left alone where they are, and added as attach does where the switch has lost them', () =>
    withRunning(async (scene) => {
      const { desk, runDir } = scene;
      await attached(scene, '--queues', '2');
      assert.deepEqual(await hook(scene), STARTS);
      const before = desk.binding.ports().map(({ name, socketPath, queuePairs }) => [name, socketPath, queuePairs]);
      assert.equal(desk.binding.added.length, 2);
      await desk.run('ports', 'rm', 'web-hostnet0', '--run-dir', runDir);
      await desk.run('ports', 'rm', 'web-hostnet1', '--run-dir', runDir);
      assert.deepEqual(await hook(scene), STARTS);
      const after = desk.binding.ports().map(({ name, socketPath, queuePairs }) => [name, socketPath, queuePairs]);
      assert.deepEqual([after, desk.binding.added.length], [before, 4]);
      assert.deepEqual(desk.binding.added.slice(2), desk.binding.added.slice(0, 2));
    }));

  it('a port that was added with offloads comes back with them', () =>
    withRunning(async (scene) => {
      const { desk, runDir } = scene;
      await attached(scene, '--nic', '0', '--port', 'p', '--offloads');
      await desk.run('ports', 'rm', 'p', '--run-dir', runDir);
      assert.deepEqual(await hook(scene), STARTS);
      assert.deepEqual(
        desk.binding.added.map(({ name, offloads }) => [name, offloads]),
        [
          ['p', true],
          ['p', true],
        ],
      );
    }));

  it('a port that cannot be had, or is too small, is said', () =>
    withRunning(async (scene) => {
      const { desk, runDir, libvirt } = scene;
      await attached(scene, '--nic', '0', '--port', 'p');
      const web = libvirt.domains.get('web')!;
      const before = web.xml;
      web.xml = before.replace(/<driver(?=>)/, "<driver queues='2'");
      assert.match(
        refused(await hook(scene)),
        /is to have 2 queue pairs, and port p has 1; fix: vhost-host ports rm p/,
      );
      web.xml = before;
      await desk.run('ports', 'rm', 'p', '--run-dir', runDir);
      desk.binding.addError = Object.assign(new Error('no room'), { code: 'ENOSPC' });
      assert.match(refused(await hook(scene)), /^vhost-host: web is not started: /);
      desk.binding.addError = undefined;
    }));

  it('memory that the switch cannot reach, or hugepages that are not there', () =>
    withRunning(async (scene) => {
      await attached(scene);
      const web = scene.libvirt.domains.get('web')!;
      const before = web.xml;
      web.xml = before.replace(/<access mode='shared'\/>/, '');
      assert.match(refused(await hook(scene)), /memory of the guest is not shared: .*; fix: vhost-host vm attach web$/);
      web.xml = before.replace('<memoryBacking>', '<memoryBacking><hugepages/>');
      assert.match(refused(await hook(scene)), /this kernel has no hugepages of 2 MiB/);
    }));

  it("other guests start whatever is wrong with them, and another switch's sockets are its own", () =>
    withScene(async (scene) => {
      const web = scene.libvirt.add('web', XML);
      assert.deepEqual(await hook(scene), STARTS);
      web.xml = XML.replace("<interface type='bridge'>", "<interface type='vhostuser'>").replace(
        "<source bridge='br0'/>",
        "<source type='unix' path='/run/openvswitch/vhu1' mode='client'/>",
      );
      assert.deepEqual(await hook(scene), STARTS);
    }));

  it('what goes wrong with the hook itself is said, and refuses nobody', () =>
    withScene(async (scene) => {
      const { vm, libvirt, desk } = scene;
      libvirt.stdin = '<domain';
      const broken = await vm('hook');
      assert.deepEqual([broken.code, broken.out, broken.err.length > 0], [1, [], true]);
      await attached(scene);
      const real = desk.fakeHost!;
      desk.fakeHost = {
        ...real,
        env: () => {
          throw new VhostHostError('INTERNAL', 'out of order');
        },
      };
      const { code, out, err } = await hook(scene);
      assert.deepEqual([code, out, err], [1, [], ['out of order']]);
    }));

  it('attach and check tell where it is missing', () =>
    withRunning(async (scene) => {
      const { vm, libvirt, runDir } = scene;
      libvirt.hook = false;
      libvirt.add('web', XML);
      const { err } = await vm('attach', 'web', '--yes', '--nic', '1');
      const line =
        'without /etc/libvirt/hooks/qemu.d/vhost-host, virsh start waits in silence for a switch or port that is missing';
      assert.ok(err.includes(`${line}: sudo vhost-host libvirt setup`), err.join('\n'));
      const { code, out } = await vm('check', 'web');
      assert.deepEqual([code, out[0]], [1, `web: warning hook-missing: ${line}`]);
      libvirt.hook = true;
      assert.deepEqual((await vm('check', 'web')).out, ['web: nothing found']);
      assert.ok(libvirt.domains.get('web')?.xml.includes(portSocketPath(runDir, 'web-hostnet1')));
    }));
});
