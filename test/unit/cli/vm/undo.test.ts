import { strict as assert } from 'node:assert';
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { portSocketPath } from '../../../../src/switch/run-dir/paths.js';
import { XML, numbered, saved, withRunning, withScene } from './scene.js';
import type { Scene } from './scene.js';

/** What users change in a domain that is attached; the two interfaces are on `br0` and on `default`. */

const MAC_0 = "<mac address='52:54:00:00:00:01'/>";
const MAC_1 = "<mac address='52:54:00:00:00:02'/>";
const NICS = /( *<interface[^]*?<\/interface>\n)( *<interface[^]*?<\/interface>\n)/;
const SHARED = "<access mode='shared'/>";
const OTHER = `<interface type='vhostuser'><mac address='52:54:00:00:00:09'/>
  <source type='unix' path='/run/ovs/vhu9' mode='client'/><model type='virtio'/></interface>`;

/** What each interface says, whatever the order within it. */
function interfaces(xml: string): string[][] {
  const all = xml.match(/<interface[^]*?<\/interface>/g) ?? [];
  return all.map((one) => one.replace(/>\s+/g, '>').split('<').sort());
}

/** Elements taken out and put back stand at the end. */
function sameAs(xml: string, wanted: string): void {
  assert.deepEqual(interfaces(xml), interfaces(wanted));
  const rest = (text: string): string => text.replace(/ *<interface[^]*<\/interface>\n/, '');
  assert.equal(rest(xml), rest(wanted));
}

async function attached({ vm, libvirt }: Scene, ...options: string[]): Promise<{ xml: string; uuid: string }> {
  const web = libvirt.add('web', XML);
  const { code, err } = await vm('attach', 'web', '--yes', ...options);
  assert.equal(code, 0, err.join('\n'));
  return web;
}

describe('vm detach: an interface is known by what attach gave it', () => {
  const newMac = (nic: '01' | '02') => (xml: string) =>
    xml.replace(`<mac address='52:54:00:00:00:${nic}'/>`, `<mac address='52:54:00:00:77:${nic}'/>`);
  const turned = (xml: string): string => xml.replace(NICS, '$2$1');
  const edits: [string, (xml: string) => string][] = [
    ['another address', newMac('01')],
    ['both addresses', (xml) => newMac('02')(newMac('01')(xml))],
    ['an address in capitals', (xml) => xml.replace(MAC_0, "<mac address='52:54:0A:BC:00:01'/>")],
    ['no address', (xml) => xml.replace(MAC_0, '')],
    ['addresses exchanged', (xml) => xml.replace(MAC_0, '@').replace(MAC_1, MAC_0).replace('@', MAC_1)],
    ['another order', turned],
    ['another order and one address new', (xml) => turned(newMac('02')(xml))],
    ['an alias of its own', (xml) => xml.replace(MAC_0, `${MAC_0}<alias name='ua-x'/>`)],
    ['a title, and an address', (xml) => newMac('01')(xml).replace('</name>', '</name><title>t</title>')],
  ];
  for (const [what, edit] of edits) {
    it(what, () =>
      withRunning(async (scene) => {
        const { vm, desk, state } = scene;
        const web = await attached(scene);
        web.xml = edit(web.xml);
        const { code, err } = await vm('detach', 'web', '--yes');
        assert.equal(code, 0, err.join('\n'));
        sameAs(web.xml, edit(XML));
        assert.deepEqual([saved(state), desk.binding.ports()], [[], []]);
      }),
    );
  }

  it('from a record of version 1, which knew no sockets', () =>
    withRunning(async (scene) => {
      const { vm, desk, state } = scene;
      const web = await attached(scene);
      const bare = (xml: string): string => xml.replace(/ *<metadata>[^]*?<\/metadata>\n?/, '');
      const file = join(state, 'domains', `${web.uuid}.json`);
      const record = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      const changes = (record['changes'] as { owner: { socket?: string }; property: string }[]).filter(
        ({ property }) => !property.includes('way-back'),
      );
      for (const { owner } of changes) delete owner.socket;
      const first: Record<string, unknown> = { ...record, version: 1, changes, left: bare(String(record['left'])) };
      delete first['uuid'];
      writeFileSync(file, JSON.stringify(first));
      web.xml = newMac('01')(bare(web.xml));
      const { code, err } = await vm('detach', 'web', '--yes');
      assert.equal(code, 0, err.join('\n'));
      sameAs(web.xml, newMac('01')(XML));
      assert.deepEqual([saved(state), desk.binding.ports()], [[], []]);
    }));

  it('two that share a socket: which is meant cannot be told, and nothing is changed or forgotten', () =>
    withRunning(async (scene) => {
      const { vm, state, desk, runDir } = scene;
      const web = await attached(scene, '--nic', '0');
      const copy = /<interface type='vhostuser'>[^]*?<\/interface>/.exec(web.xml)?.[0] ?? '';
      web.xml = web.xml.replace(copy, `${copy.replace('00:01', '00:11')}\n    ${copy.replace('00:01', '00:12')}`);
      const before = web.xml;
      const { code, err } = await vm('detach', 'web', '--yes');
      assert.equal(code, 1);
      const socket = portSocketPath(runDir, 'web-hostnet0');
      assert.match(
        err[0] ?? '',
        new RegExp(`may be interface 0 .* or interface 1 .*: they share the socket ${socket}`),
      );
      assert.equal(
        err[1],
        'vhost-host vm attach web, which gives each a port of its own, then vhost-host vm detach web',
      );
      assert.deepEqual([web.xml, saved(state).length, desk.binding.ports().length], [before, 1, 1]);
      assert.match((await vm('check', 'web')).out[0] ?? '', /error port-shared: .*web-hostnet0, and so is interface 1/);
      // And that it does.
      assert.equal((await vm('attach', 'web', '--nic', '1', '--yes')).code, 0);
      assert.ok(web.xml.includes('port-web-hostnet1.sock'));
      assert.equal((await vm('detach', 'web', '--yes')).code, 0);
      assert.equal(web.xml.match(/<source bridge='br0'\/>/g)?.length, 2);
      assert.deepEqual([/vhostuser|memfd|metadata/.test(web.xml), saved(state)], [false, []]);
    }));

  it('address and socket edited together: the interface on a port of ours may be it', () =>
    withScene(async (scene) => {
      const web = await attached(scene, '--nic', '0');
      web.xml = newMac('01')(web.xml).replace(/(<source .*)port-web-hostnet0/, '$1port-x');
      const before = web.xml;
      const { code, err } = await scene.vm('detach', 'web', '--yes');
      assert.equal(code, 1);
      assert.match(
        err[0] ?? '',
        /interface 0 .*:01\) may be interface 0 .*77:01\): attach gave it .*no interface has that/,
      );
      assert.deepEqual([web.xml, saved(scene.state).length], [before, 1]);
    }));

  it('in wrap mode, where attach gives nothing of its own, by what all of them look like', () =>
    withScene(async (scene) => {
      writeFileSync(join(scene.dir, 'qemu-wrap'), '');
      const web = await attached(scene, '--mode', 'wrap', '--wrapper', join(scene.dir, 'qemu-wrap'));
      web.xml = turned(newMac('01')(newMac('02')(web.xml)));
      assert.equal((await scene.vm('detach', 'web', '--yes')).code, 0);
      assert.deepEqual([/vhost|qemu-wrap|memfd/.test(web.xml), web.xml.includes('77:01')], [false, true]);
    }));
});

describe('vm detach: memory stays shared while anything needs it', () => {
  const users: [string, RegExp, string][] = [
    ["another switch's interface", /interface 2 \(52:54:00:00:00:09\)/, OTHER],
    [
      'a virtiofs',
      /filesystem etc \(virtiofs\)/,
      "<filesystem type='mount'><driver type='virtiofs'/><source dir='/etc'/><target dir='etc'/></filesystem>",
    ],
    [
      'a vhost-user disk',
      /disk vda \(vhost-user\)/,
      "<disk type='vhostuser'><source type='unix' path='/x'/><target dev='vda' bus='virtio'/></disk>",
    ],
    ['a vhost-user display', /a vhost-user display/, "<video><driver name='vhostuser'/><model type='virtio'/></video>"],
  ];
  for (const [what, said, device] of users) {
    it(what, () =>
      withScene(async (scene) => {
        const { vm, state } = scene;
        const web = await attached(scene);
        web.xml = web.xml.replace(/( *<interface[^]*<\/interface>\n)/, `$1    ${device}\n`);
        const { code, out } = await vm('detach', 'web', '--yes');
        assert.equal(code, 1);
        assert.match(out[1] ?? '', said);
        assert.equal(out[2], 'what it was before is still remembered; once nothing needs it: vhost-host vm detach web');
        assert.deepEqual([web.xml.includes(SHARED), web.xml.includes("<source bridge='br0'/>")], [true, true]);
        assert.equal(saved(state).length, 1);
        // Once it is gone, the rest goes as well.
        web.xml = web.xml.replace(`    ${device}\n`, '');
        assert.equal((await vm('detach', 'web', '--yes')).code, 0);
        sameAs(web.xml, XML);
        assert.deepEqual(saved(state), []);
      }),
    );
  }

  it('also what QEMU is given by hand', () =>
    withScene(async (scene) => {
      const web = await attached(scene);
      const own = "<qemu:commandline xmlns:qemu='q'><qemu:arg value='vhost-user-fs-pci,chardev=c'/></qemu:commandline>";
      web.xml = web.xml.replace('</domain>', `${own}</domain>`);
      const { code, out } = await scene.vm('detach', 'web', '--yes', '--json');
      assert.equal(code, 1);
      assert.match(out[0] ?? '', /"memoryNeededBy":\["its <qemu:commandline>"\]/);
    }));
});

describe('vm detach: XML that comes back later, or elsewhere', () => {
  it('a snapshot from the time when it was attached finds its way back, with the record gone', () =>
    withRunning(async (scene) => {
      const { vm, desk, state } = scene;
      const web = await attached(scene);
      const snapshot = web.xml;
      await vm('detach', 'web', '--yes');
      assert.deepEqual([web.xml, saved(state)], [XML, []]);
      web.xml = snapshot;
      assert.match((await vm('show', 'web')).out.join('\n'), /^attached +native mode; vm detach brings it back$/m);
      assert.equal((await vm('detach', 'web', '--yes')).out[0], 'web is detached, with what else was changed kept');
      sameAs(web.xml, XML);
      assert.deepEqual([desk.binding.ports(), saved(state)], [[], []]);
    }));

  it('what stands there is text that anybody may have written', () =>
    withScene(async (scene) => {
      const web = await attached(scene, '--nic', '0');
      const before = web.xml;
      const json = /attached:1'>(.*)<\/vhost-host/.exec(before)?.[1] ?? '';
      for (const bad of ['{', '[]', json.replace('"model"', '"nonsense"'), json.replace('interface', 'domain')]) {
        web.xml = before.replace(json, bad);
        assert.ok(!/"model"|nonsense/.test(bad) || bad !== json);
        // The record is there: that is what it goes by.
        assert.match((await scene.vm('detach', 'web', '--print-xml')).out[0] ?? '', /<source bridge='br0'\/>/);
      }
      web.xml = before.replace(json, json.replace(/&lt;source bridge='br0'\/&gt;/, '&lt;source/&gt;&lt;emulator/&gt;'));
      assert.notEqual(web.xml, before);
      assert.doesNotMatch((await scene.vm('detach', 'web', '--print-xml')).out[0] ?? '', /<emulator\/>/);
    }));

  it('a file that was moved, edited or not; a copy leaves the first its record', () =>
    withScene(async ({ vm, dir, state }) => {
      const [a, b, c] = ['a.xml', 'b.xml', 'c.xml'].map((name) => join(dir, name)) as [string, string, string];
      writeFileSync(a, XML);
      await vm('attach', '--file', a, '--yes');
      copyFileSync(a, c);
      assert.equal((await vm('detach', '--file', c, '--yes')).out[0], `${c} is as it was before`);
      assert.deepEqual([readFileSync(c, 'utf8'), saved(state).length], [XML, 1]);
      renameSync(a, b);
      assert.equal((await vm('detach', '--file', b, '--yes')).out[0], `${b} is as it was before`);
      assert.deepEqual([readFileSync(b, 'utf8'), saved(state)], [XML, []]);
      await vm('attach', '--file', b, '--yes');
      writeFileSync(a, readFileSync(b, 'utf8').replace('262144', '524288'));
      renameSync(a, b);
      renameSync(b, c);
      assert.equal((await vm('detach', '--file', c, '--yes')).code, 0);
      sameAs(readFileSync(c, 'utf8'), XML.replace('262144', '524288'));
      assert.deepEqual(saved(state), []);
    }));

  it('a file that was attached and then defined', () =>
    withRunning(async ({ vm, dir, libvirt, state, desk }) => {
      const file = join(dir, 'a.xml');
      const uuid = '5b2c1b0e-0000-4000-8000-000000000001';
      writeFileSync(file, numbered(XML, uuid));
      await vm('attach', '--file', file, '--yes');
      const web = libvirt.add('web', readFileSync(file, 'utf8').replace("'virtio'", '"virtio"'), { uuid });
      assert.equal((await vm('detach', 'web', '--yes')).code, 0);
      assert.doesNotMatch(web.xml, /vhostuser|memfd/);
      // The file is attached still, and finds its way back by itself.
      assert.deepEqual([saved(state).length, desk.binding.ports()], [1, []]);
      assert.equal((await vm('detach', '--file', file, '--yes')).code, 0);
      assert.equal(readFileSync(file, 'utf8'), numbered(XML, uuid));
    }));

  it('detach --output writes elsewhere, and leaves what it read as it is, record and all', () =>
    withRunning(async ({ vm, dir, state, desk }) => {
      const [a, b] = [join(dir, 'a.xml'), join(dir, 'b.xml')];
      writeFileSync(a, XML);
      await vm('attach', '--file', a, '--yes');
      const attachedText = readFileSync(a, 'utf8');
      assert.equal((await vm('detach', '--file', a, '--output', b, '--yes')).code, 0);
      assert.deepEqual([readFileSync(b, 'utf8'), readFileSync(a, 'utf8')], [XML, attachedText]);
      assert.deepEqual([saved(state).length, desk.binding.ports().length], [1, 2]);
      assert.equal((await vm('detach', '--file', a, '--output', a, '--yes')).code, 0);
      assert.deepEqual([readFileSync(a, 'utf8'), saved(state), desk.binding.ports()], [XML, [], []]);
      assert.match((await vm('detach', 'web', '--output', b)).err[0] ?? '', /--output goes with --file/);
    }));
});
