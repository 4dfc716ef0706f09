import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Domain } from '../../helpers/libvirt/domain.js';
import { Libvirt } from '../../helpers/libvirt/libvirt.js';
import { skipWithoutLibvirt } from '../../helpers/libvirt/needs.js';
import { root } from '../../helpers/paths.js';
import { Scope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';
import type { Switch } from '../../helpers/switch.js';

const deadline = 30_000;
const copyUuid = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

describe('libvirt: domains that are copied, edited, undefined and refused', function () {
  this.timeout(120_000);
  const scope = new Scope();
  let noLeaks: (() => Promise<void>) | undefined;
  let libvirt: Libvirt;
  let vswitch: Switch;
  let src: Domain;
  let original: string;

  before(async function () {
    skipWithoutLibvirt(this);
    noLeaks = await watchForLeaks();
    libvirt = await Libvirt.start(scope);
    vswitch = await libvirt.startSwitch();
    src = await Domain.define(libvirt, { name: 'src', type: 'qemu', mac: '52:54:00:00:04:01' });
    original = await src.xml();
    await src.attach('native');
  });

  after(async () => {
    await scope.close();
    await noLeaks?.();
  });

  /** QEMU connects before its guest has booted. */
  async function hasFrontEnd(name: string): Promise<void> {
    const connected = async (): Promise<boolean> => (await vswitch.port(name)).state !== 'waiting';
    await until(connected, { deadline, what: `a front end on ${name}` });
  }

  /** As `virt-clone` makes it: another name, number, address and serial line. */
  async function clone(): Promise<Domain> {
    const copy = await Domain.define(libvirt, { name: 'copy', type: 'qemu', mac: '52:54:00:00:04:99' });
    await libvirt.ok('undefine', 'copy');
    const xml = (await src.xml()).replace('<name>src', '<name>copy').replace('src.serial', 'copy.serial');
    await copy.redefine(
      xml
        .replace(/<uuid>.*<\/uuid>/, `<uuid>${copyUuid}</uuid>`)
        .replace("<mac address='52:54:00:00:04:01'", `<mac address='${copy.mac}'`),
    );
    return copy;
  }

  it('the copy of a domain that runs is refused at once, naming whose the port is', async () => {
    await libvirt.ok('start', 'src');
    await hasFrontEnd('src-hostnet0');
    const copy = await clone();
    // Far less than QEMU would wait for the switch.
    const { code, stderr } = await libvirt.space.run('virsh', ['start', 'copy'], { deadline });
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /vhost-host: copy is not started: port src-hostnet0 of interface 0 \(52:54:00:00:04:99\) has a guest already: src, process \d+; fix: vhost-host vm attach copy, which/,
    );
    const check = await libvirt.cli('vm', 'check', '--all');
    assert.match(
      check.stdout,
      /^copy: error port-shared: .* port src-hostnet0, and so is interface 0 \(52:54:00:00:04:01\) of domain src: /m,
    );
    await copy.attach('native');
    await libvirt.ok('start', 'copy');
    await hasFrontEnd('copy-hostnet0');
    assert.ok(await copy.destroy());
    // The front end of a guest that has ended a moment ago is no reason to refuse it.
    await libvirt.ok('start', 'copy');
    assert.ok(await copy.destroy());
    await copy.detach();
    const back = await copy.xml();
    assert.match(back, /<source bridge='br0'\/>/);
    assert.doesNotMatch(back, /vhostuser|memfd|vhost-host:attached/);
    assert.equal((await vswitch.ports()).map(({ name }) => name).join(), 'src-hostnet0');
  });

  it('what libvirt refuses of a vhost-user interface is as the documentation says', async () => {
    const documented = await readFile(`${root}docs/guests-libvirt.md`, 'utf8');
    const calls: [string[], RegExp][] = [
      [['domif-setlink', 'src', src.mac, 'down'], /unable to change config on 'vhostuser' network type/],
      [
        ['domiftune', 'src', src.mac, '--inbound', '1000'],
        /setting bandwidth on interfaces of type 'vhostuser' is not/,
      ],
      [['domifstat', 'src', src.mac], /Interface not found/],
    ];
    for (const [args, said] of calls) {
      const { code, stderr } = await libvirt.virsh(...args);
      assert.equal(code, 1, args.join(' '));
      assert.match(stderr, said);
      assert.match(documented, said);
    }
  });

  it('an address edited by the user, and then detach', async () => {
    await src.destroy();
    await src.redefine(
      (await src.xml()).replace("<mac address='52:54:00:00:04:01'", "<mac address='52:54:00:00:04:02'"),
    );
    await src.detach();
    assert.equal((await src.xml()).replace('04:02', '04:01'), original);
  });

  it('the definition from a time when it was attached finds its way back', async () => {
    await src.redefine(original);
    await src.attach('native');
    const snapshot = await src.xml();
    await src.detach();
    await src.redefine(snapshot);
    await src.detach();
    assert.equal(await src.xml(), original);
  });

  it('undefined and defined again nothing is lost; undefined for good it is told, and cleared', async () => {
    await src.attach('native');
    const xml = await src.xml();
    await libvirt.ok('undefine', 'src');
    const { stdout } = await libvirt.cli('check');
    assert.match(stdout, /warning {2}what attach remembers: the domain src \(\S+\) is gone; .* port src-hostnet0 /);
    await src.redefine(xml);
    await src.detach();
    assert.equal(await src.xml(), original);
    await src.attach('native');
    await libvirt.ok('undefine', 'src');
    const fix = /fix: vhost-host (vm forget \S+)/.exec((await libvirt.cli('check')).stdout)?.[1] ?? '';
    assert.match(await libvirt.vhostHost(...fix.split(' ')), /port src-hostnet0 is removed/);
    assert.doesNotMatch((await libvirt.cli('check')).stdout, /vm forget/);
    await until(async () => (await vswitch.ports()).length === 0, { deadline, what: 'the port to be gone' });
  });

  it('libvirt takes a failover pair whose persistent half alone is on the switch', async () => {
    const pair = original
      .replace(/(<model type='virtio'\/>)/, "$1<teaming type='persistent'/><alias name='ua-backup0'/>")
      .replace(
        '</interface>',
        `</interface><interface type='network'><mac address='52:54:00:00:04:01'/><source network='vfs'/>
          <model type='virtio'/><teaming type='transient' persistent='ua-backup0'/></interface>`,
      );
    await src.redefine(pair);
    const before = await src.xml();
    await src.attach('native');
    assert.match(await src.xml(), /<interface type='network'>[^]*<teaming type='transient'/);
    await src.detach();
    assert.equal(await src.xml(), before);
  });
});
