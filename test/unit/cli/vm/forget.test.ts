import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { surveyRecords } from '../../../../src/cli/host/check-records.js';
import { viewSwitch } from '../../../../src/cli/vm/ports/switch-view.js';
import type { Records } from '../../../../src/hostsetup/checks/check.js';
import { A, B, ONE_NIC, attached, numbered, withRunning, withScene } from './scene.js';
import type { Scene } from './scene.js';

/** What `vhost-host check` finds left over. */
async function records({ desk, runDir }: Scene): Promise<Records> {
  const context = desk.context([], []);
  return await surveyRecords(context, { runDir }, await viewSwitch(context, { runDir }, true));
}

describe('vm forget: what is remembered of domains that are gone', () => {
  it('goes with its ports once the domain is gone, and not before', () =>
    withRunning(async (scene) => {
      const { vm, libvirt, desk } = scene;
      const web = await attached(scene);
      const early = await vm('forget', A);
      assert.deepEqual(early.err, ['web is there, and attached: its way back stays', 'vhost-host vm detach web']);
      // undefine and define is how some edit: nothing may be lost by it.
      libvirt.domains.delete('web');
      libvirt.add('web', web.xml, { uuid: A });
      assert.equal((await vm('attach', 'web', '--yes')).code, 0);
      libvirt.domains.delete('web');
      libvirt.broken = 'error: failed to connect to the hypervisor\nerror: x';
      assert.match((await vm('forget', 'web')).err[0] ?? '', /^libvirt does not answer/);
      libvirt.broken = undefined;
      const { stale, ports } = await records(scene);
      const title = `the domain web (${A})`;
      assert.deepEqual([stale, ports], [[{ key: A, title, ports: ['web-hostnet0'] }], []]);
      const { code, out } = await vm('forget', 'web', '--connect', 'qemu:///system');
      assert.deepEqual(
        [code, out],
        [0, [`what attach remembered of web is forgotten (${A})`, 'port web-hostnet0 is removed']],
      );
      assert.deepEqual(desk.binding.ports(), []);
      assert.deepEqual((await vm('forget', A)).err, [`nothing is remembered of ${A}`, 'vhost-host vm list']);
    }));

  it('a port that a new domain has taken over ends with that one', () =>
    withRunning(async (scene) => {
      const { vm, libvirt, desk } = scene;
      await attached(scene);
      libvirt.domains.delete('web');
      libvirt.add('web', numbered(ONE_NIC, B), { uuid: B });
      assert.match((await vm('attach', 'web', '--yes')).out[1] ?? '', /is on port web-hostnet0, /);
      const object = JSON.parse((await vm('forget', A, '--json')).out[0] ?? '') as Record<string, unknown>;
      assert.deepEqual(object, { forgotten: A, domain: 'web', portsRemoved: [], portsLeft: [] });
      assert.equal(desk.binding.ports().length, 1);
      await vm('detach', 'web', '--yes');
      assert.deepEqual(desk.binding.ports(), []);
    }));

  it('a port whose domain has left it is told, with what takes it away', () =>
    withRunning(async (scene) => {
      const { vm, desk } = scene;
      const web = await attached(scene);
      assert.deepEqual(await records(scene), { stale: [], ports: [], uncertain: 0 });
      await vm('attach', 'web', '--yes', '--port', 'other');
      assert.match(web.xml, /port-other\.sock/);
      assert.deepEqual(await records(scene), { stale: [], ports: ['web-hostnet0'], uncertain: 0 });
      await vm('detach', 'web', '--yes');
      assert.deepEqual(desk.binding.ports(), []);
    }));

  it('two of one name are told apart by their keys, and a file by its path', () =>
    withScene(async (scene) => {
      const { vm, dir, libvirt } = scene;
      await attached(scene);
      const file = join(dir, 'web.xml');
      writeFileSync(file, ONE_NIC);
      await vm('attach', '--file', file, '--yes');
      libvirt.domains.clear();
      assert.match((await vm('forget', 'web')).err[0] ?? '', /^web is the name of 2$/);
      assert.match((await vm('forget', file)).err[1] ?? '', new RegExp(`^vhost-host vm detach --file ${file}$`));
      writeFileSync(file, '<domain');
      assert.equal((await vm('forget', file)).code, 0);
      assert.equal((await vm('forget', 'web')).code, 0);
    }));
});
