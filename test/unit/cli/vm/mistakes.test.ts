import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XML, byHand, saved, withRunning, withScene } from './scene.js';
import type { Scene } from './scene.js';

describe('vm attach: nothing is changed', () => {
  it('where only a look was asked for', () =>
    withScene(async ({ vm, libvirt, state }) => {
      const web = libvirt.add('web', XML);
      const xml = await vm('attach', 'web', '--print-xml');
      assert.match(xml.out[0] ?? '', /^<domain type='kvm'>[^]*vhostuser[^]*<\/domain>$/);
      const diff = await vm('attach', 'web', '--print-diff');
      assert.match(diff.out[0] ?? '', /^--- web\tbefore\n\+\+\+ web\tafter\n/);
      assert.deepEqual([web.xml, saved(state)], [XML, []]);
      await vm('attach', 'web', '--yes');
      assert.deepEqual((await vm('detach', 'web', '--print-xml')).out, [XML]);
      assert.match((await vm('detach', 'web', '--print-diff')).out[0] ?? '', /^-.*vhostuser/m);
      assert.notEqual(web.xml, XML);
    }));

  it('without a terminal and without --yes', () =>
    withScene(async ({ vm, libvirt, state }) => {
      const web = libvirt.add('web', XML);
      const { code, err } = await vm('attach', 'web');
      assert.deepEqual([code, err.at(-2)], [2, 'there is no terminal to ask on: nothing was changed']);
      assert.deepEqual([web.xml, saved(state)], [XML, []]);
    }));

  it('when the user says no; and when he says yes, it is', () =>
    withScene(async ({ vm, libvirt, desk }) => {
      const web = libvirt.add('web', XML);
      desk.answers = [false, true];
      const no = await vm('attach', 'web');
      assert.deepEqual([no.code, no.err.at(-1), web.xml], [1, 'cancelled: nothing was changed', XML]);
      assert.equal((await vm('attach', 'web')).code, 0);
      assert.deepEqual(desk.questions, ['attach web like this?', 'attach web like this?']);
    }));

  it('when libvirt does not take it over as it was meant', () =>
    withRunning(async ({ vm, libvirt, desk, state }) => {
      const web = libvirt.add('web', XML);
      libvirt.lays = (xml) => xml.replace(" gso='off'", '');
      const { code, err } = await vm('attach', 'web', '--yes');
      assert.equal(code, 1);
      const message =
        'web: wanted interface 0 (52:54:00:00:00:01): <driver><host> gso= off, got nothing; put back as it was';
      assert.equal(err.at(-1), message);
      assert.deepEqual([web.xml, saved(state), desk.binding.ports()], [XML, [], []]);
    }));
});

describe('vm: what can be wrong', () => {
  const cases: [string, string[], number, RegExp, RegExp, ((scene: Scene) => void)?][] = [
    ['no domain', ['attach'], 2, /^which domain\?$/, /vm list/],
    ['domain and file', ['attach', 'web', '--file', 'x'], 2, /which of the two/, /./],
    ['an output without a file', ['attach', 'web', '--output', 'x'], 2, /--output goes with --file/, /--print-xml/],
    ['both prints', ['attach', 'web', '--print-xml', '--print-diff'], 2, /cannot be used with/, /--help/],
    [
      'a file that is not there',
      ['show', '--file', '/no/such'],
      2,
      /^cannot read \/no\/such: there is no such file$/,
      /./,
    ],
    ['another machine', ['list', '--connect', 'qemu+ssh://host/system'], 2, /is another machine/, /on that machine/],
    ['--all with a domain', ['check', 'web', '--all'], 2, /--all is instead of/, /./],
    ['an unknown domain', ['attach', 'nope'], 1, /knows no domain nope$/, /^vhost-host vm list$/],
    ['an odd interface', ['attach', 'web', '--nic', '7'], 1, /^web has no interface 7$/, /0 \(52:54/],
    [
      'one name for two ports',
      ['attach', 'web', '--port', 'p'],
      2,
      /are for one interface, and 2 are meant/,
      /--nic 0/,
    ],
    ['no name for a port', ['attach', 'web', '--nic', '0', '--port', '.x'], 2, /^a port name has 1 to 63/, /./],
    [
      'a transient domain',
      ['attach', 'web'],
      1,
      /^web is transient: libvirt keeps no definition to change$/,
      /--file dom.xml/,
      ({ libvirt }) => libvirt.add('web', XML, { persistent: false }),
    ],
    [
      'no virsh',
      ['list'],
      1,
      /^virsh is not installed$/,
      /apt-get install/,
      ({ libvirt }) => (libvirt.installed = false),
    ],
    [
      'no libvirtd',
      ['list'],
      1,
      /^libvirt does not answer at qemu:\/\/\/system: Failed to connect socket to '\/x': No such file/,
      /systemctl start/,
      ({ libvirt }) =>
        (libvirt.broken =
          "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': No such file"),
    ],
    [
      'no libvirt, of which only virsh is there',
      ['list'],
      1,
      /^libvirt is not installed: there is neither libvirtd nor virtqemud$/,
      /apt-get install libvirt-daemon-system/,
      ({ libvirt }) =>
        Object.assign(libvirt, {
          daemon: false,
          broken: "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': No such file",
        }),
    ],
    [
      'no permission',
      ['list'],
      1,
      /^no permission to use libvirt at qemu:\/\/\/system: Failed to connect socket to '\/x': Permission denied$/,
      /usermod -aG libvirt/,
      ({ libvirt }) =>
        (libvirt.broken =
          "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': Permission denied"),
    ],
    ['whatever else', ['list'], 1, /^virsh list: odd$/, /./, ({ libvirt }) => (libvirt.broken = 'error: odd')],
  ];
  for (const [what, args, code, message, hint, change] of cases) {
    it(what, () =>
      withScene(async (stage) => {
        stage.libvirt.add('web', XML);
        change?.(stage);
        const outcome = await stage.vm(...args);
        assert.equal(outcome.code, code);
        assert.match(outcome.err[0] ?? '', message);
        assert.match(outcome.err[1] ?? 'none', hint);
      }),
    );
  }

  it('a port that is there and does not do', () =>
    withRunning(async ({ vm, libvirt, desk, runDir }) => {
      libvirt.add('web', XML);
      await desk.run('ports', 'add', 'p', '--run-dir', runDir);
      const few = await vm('attach', 'web', '--nic', '0', '--port', 'p', '--queues', '2', '--yes');
      assert.match(few.err[0] ?? '', /is to have 2 queue pairs, and port p has 1$/);
      const other = await vm('attach', 'web', '--nic', '0', '--port', 'p', '--socket', '/x', '--yes');
      assert.match(other.err[0] ?? '', /^port p exists already and listens on /);
    }));

  it('a memory that is damaged, and a domain that somebody else attached', () =>
    withScene(async ({ vm, libvirt, state, runDir }) => {
      const web = libvirt.add('web', XML);
      await vm('attach', 'web', '--yes');
      const file = join(state, 'domains', `${web.uuid}.json`);
      writeFileSync(file, '{');
      assert.deepEqual((await vm('detach', 'web')).err, [
        `${file} is not what attach wrote`,
        `mv ${file} ${file}.unreadable`,
      ]);
      libvirt.add('web', byHand(web.xml));
      assert.ok(web.xml.includes(runDir));
      assert.match((await vm('detach', 'web')).err[0] ?? '', /^web is on the switch, but was not put there by attach$/);
    }));
});
