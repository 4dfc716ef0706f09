import { strict as assert } from 'node:assert';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from '../support.js';
import { XML, withRunning, withScene } from './scene.js';

describe('vm: a file', () => {
  it('goes and comes back byte for byte, also through a link', () =>
    withScene(async ({ vm, dir }) => {
      const file = join(dir, 'dom.xml');
      writeFileSync(file, `${XML}\r\n\n`);
      symlinkSync('dom.xml', join(dir, 'link'));
      assert.equal((await vm('attach', '--file', join(dir, 'link'), '--yes')).code, 0);
      assert.ok(readFileSync(file, 'utf8').includes('vhostuser'));
      const back = await vm('detach', '--file', file, '--yes');
      assert.deepEqual([back.code, readFileSync(file, 'utf8')], [0, `${XML}\r\n\n`]);
    }));

  it('may go elsewhere, and leave the first as it is', () =>
    withScene(async ({ vm, dir }) => {
      const [from, to] = [join(dir, 'a.xml'), join(dir, 'b.xml')];
      writeFileSync(from, XML);
      await vm('attach', '--file', from, '--output', to, '--yes');
      assert.equal(readFileSync(from, 'utf8'), XML);
      assert.equal((await vm('detach', '--file', to, '--yes')).code, 0);
      assert.equal(readFileSync(to, 'utf8'), XML);
    }));
});

describe('vm list, show and check', () => {
  it('list and show tell of modes and ports, in lines and in one object', () =>
    withRunning(async ({ vm, libvirt }) => {
      assert.deepEqual((await vm('list')).out, ['no domains']);
      libvirt.add('db', XML.replace('<name>web', '<name>db'), { state: 'running' });
      libvirt.add('web', XML);
      await vm('attach', 'web', '--yes', '--nic', '1');
      assert.deepEqual((await vm('list')).out, [
        'DOMAIN  STATE     ON THE SWITCH  MODE    PORTS',
        'db      running   0 of 2         -       -',
        'web     shut off  1 of 2         native  web-hostnet1',
      ]);
      const { domains } = parse((await vm('list', '--json', '--connect', 'qemu:///system')).out[0]);
      assert.equal((domains as unknown[]).length, 2);

      const lines = (await vm('show', 'web')).out.join('\n');
      assert.match(lines, /^memory +the guest 256 MiB; memfd, shared$/m);
      assert.match(lines, /^ +1 +52:54:00:00:00:02 +vhostuser +native +web-hostnet1 +1 +\//m);
      assert.match(lines, /^vhost-host vm attach would do:\n {2}interface 0/m);
      const shown = parse((await vm('show', 'db', '--json', '--connect', 'qemu:///system')).out[0]);
      assert.deepEqual([shown['domain'], shown['remembered'], shown['running']], ['db', false, true]);
    }));

  it('show also tells why attach would refuse, or has nothing to do', () =>
    withScene(async ({ vm, dir }) => {
      const file = join(dir, 'd.xml');
      writeFileSync(file, XML.replace(/ *<interface[^]*<\/interface>\n/, ''));
      assert.match((await vm('show', '--file', file)).out.at(-1) ?? '', /would refuse: web has nothing to attach/);
      writeFileSync(file, XML);
      await vm('attach', '--file', file, '--yes');
      assert.equal((await vm('show', '--file', file)).out.at(-1), 'vhost-host vm attach would change nothing');
    }));

  it('check: exit code 0, 1 or 2, and what it is about', () =>
    withScene(async ({ vm, libvirt, dir }) => {
      const web = libvirt.add('web', XML);
      assert.deepEqual(await vm('check', 'web'), { code: 0, out: ['web: nothing found'], err: [] });
      web.xml = XML.replace("type='kvm'", "type='qemu'").replace("<model type='virtio'/>", "$&<driver name='vhost'/>");
      const warned = await vm('check', '--all', '--connect', 'qemu:///system');
      assert.equal(warned.code, 1);
      assert.match(
        warned.out[0] ?? '',
        /^web: warning vhost-emulated: libvirt ignores the vhost driver of interface 0/,
      );
      assert.match(warned.out[1] ?? '', /fix: vhost-host vm attach web --mode native$/);
      const file = join(dir, 'd.xml');
      writeFileSync(file, XML);
      await vm('attach', '--file', file, '--yes');
      const failed = await vm('check', '--file', file, '--json');
      assert.deepEqual([failed.code, failed.err, failed.out.length], [2, [], 1]);
      const [{ findings }] = parse(failed.out[0])['domains'] as [{ findings: { id: string }[] }];
      assert.deepEqual([...new Set(findings.map(({ id }) => id))], ['socket-unusable']);
    }));
});
