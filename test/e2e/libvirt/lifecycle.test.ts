import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { GuestShell } from '../../helpers/guests/guest-shell.js';
import { reserveHugepages } from '../../helpers/host/hugepages.js';
import { watchForLeaks } from '../../helpers/leaks.js';
import { Domain, memoryMb } from '../../helpers/libvirt/domain.js';
import { Libvirt } from '../../helpers/libvirt/libvirt.js';
import { skipWithoutLibvirt } from '../../helpers/libvirt/needs.js';
import { ping } from '../../helpers/net/network.js';
import { Scope } from '../../helpers/scope.js';
import type { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';

const deadline = 20_000;
/** For the switch itself. */
const spareMb = 64;
/** In a process's list of mappings: all of the guest's memory in one, of large pages, shared with whoever has the file. */
const sharedHugepages = new RegExp(`^\\S+ rw-s .*\\nSize: +${memoryMb * 1024} kB\\nKernelPageSize: +2048 kB`, 'm');

/** The second name begins as the first, and both mean something in a pattern. */
const specs = [
  { name: 'web-1', mac: '52:54:00:00:01:01', address: '10.0.0.1' },
  { name: 'web-10', mac: '52:54:00:00:01:10', address: '10.0.0.10' },
] as const;

for (const { mode, type } of [
  { mode: 'native', type: 'qemu' },
  { mode: 'wrap', type: 'kvm' },
] as const) {
  describe(`libvirt: stock domains on the switch, ${mode} mode`, function () {
    this.timeout(150_000);
    const scope = new Scope();
    const originals = new Map<string, string>();
    let noLeaks: (() => Promise<void>) | undefined;
    let libvirt: Libvirt;
    let vswitch: Switch;
    let web: Domain;
    let other: Domain;

    before(async function () {
      skipWithoutLibvirt(this);
      noLeaks = await watchForLeaks();
      assert.equal(await reserveHugepages(scope, specs.length * memoryMb + spareMb), undefined);
      libvirt = await Libvirt.start(scope);
      vswitch = await libvirt.startSwitch();
      web = await Domain.define(libvirt, { ...specs[0], type });
      other = await Domain.define(libvirt, { ...specs[1], type });
      for (const domain of [web, other]) {
        originals.set(domain.name, await domain.xml());
        await domain.attach(mode);
      }
      await Promise.all([web, other].map((domain) => domain.boot()));
      await addresses();
    });

    after(async () => {
      await scope.close();
      await noLeaks?.();
    });

    const addressOf = (domain: Domain): string => specs.find(({ name }) => name === domain.name)?.address ?? '';
    const address = (domain: Domain): Promise<void> => domain.guest.address(`${addressOf(domain)}/24`);
    const addresses = (): Promise<unknown> => Promise.all([web, other].map(address));
    const pingEachOther = async (): Promise<void> => {
      await ping(web.guest, addressOf(other), 3);
      await ping(other.guest, addressOf(web), 3);
    };

    it('ping each other through the switch, each by a port of its own', async () => {
      await pingEachOther();
      const macs = await vswitch.macs();
      for (const { mac, name } of specs) {
        assert.equal(macs.find((entry) => entry.mac === mac)?.port, `${name}-hostnet0`);
        assert.equal((await vswitch.port(`${name}-hostnet0`)).state, 'ready');
      }
    });

    it('run in the process that libvirt started, with memory on hugepages that the switch shares', async () => {
      for (const domain of [web, other]) {
        assert.match(await domain.proc('readlink', 'exe'), /\/qemu-system-x86_64\n$/);
        const log = await readFile(libvirt.path(`/var/log/libvirt/qemu/${domain.name}.log`), 'utf8');
        const started = mode === 'wrap' ? libvirt.wrapper : '/usr/bin/qemu-system-x86_64';
        assert.ok(log.includes(`\n${started} \\\n-name guest=${domain.name},`), log);
        assert.match(await domain.proc('cat', 'smaps'), sharedHugepages);
      }
    });

    it('vm check finds nothing that could be wrong with them', async () => {
      // The emulator behind the wrapper is a file of this clone, of any age: the one thing vm check may notice.
      const known = /^\S+: (nothing found|warning wrapper-stale: .*\n.*)\n/gm;
      for (const domain of [web, other]) {
        const { stdout } = await libvirt.cli('vm', 'check', domain.name);
        assert.equal(stdout.replace(known, ''), '');
      }
    });

    it('virsh suspend stops a guest, and resume lets it go on', async () => {
      await libvirt.ok('suspend', web.name);
      assert.equal(await web.state(), 'paused');
      const { status } = await other.guest.run(`ping -c 2 -i 0.2 -W 1 ${addressOf(web)}`);
      assert.notEqual(status, 0, 'a suspended guest answers nobody');
      await libvirt.ok('resume', web.name);
      await pingEachOther();
    });

    it('virsh reset and virsh reboot bring guests back to their ports', async () => {
      await pressable(other.guest);
      // Both at once, since starting anew is what takes time.
      await Promise.all([
        again(web, () => libvirt.ok('reset', web.name)),
        again(other, () => libvirt.ok('reboot', other.name, '--mode', 'acpi')),
      ]);
      await pingEachOther();
    });

    /** Waits until a guest that was told to start anew is up: in the same process, at the same port. */
    async function again(domain: Domain, restart: () => Promise<unknown>): Promise<void> {
      const { id } = await vswitch.port(portOf(domain));
      const pid = await domain.pid();
      const mark = domain.guest.mark();
      await restart();
      await domain.guest.ready(mark);
      await address(domain);
      assert.equal(await domain.pid(), pid);
      assert.equal((await vswitch.port(portOf(domain))).id, id);
    }

    it('a second interface is plugged into a running guest, and out again', async () => {
      const mac = '52:54:00:00:01:02';
      const { name, socket } = await vswitch.addPort(`${web.name}-more`);
      const file = await web.write('nic', vhostUserXml(mac, socket));
      await libvirt.ok('attach-device', web.name, file, '--live');
      await hasLink(web.guest, true);
      await web.guest.address('10.0.1.1/24', 'eth1');
      await other.guest.sh('ip addr add 10.0.1.10/24 dev eth0');
      await ping(other.guest, '10.0.1.1', 3);
      assert.equal((await vswitch.macs()).find((entry) => entry.mac === mac)?.port, name);

      await libvirt.ok('detach-device', web.name, file, '--live');
      await hasLink(web.guest, false);
      const gone = async (): Promise<boolean> => (await vswitch.port(name)).state === 'waiting';
      await until(gone, { deadline, what: `port ${name} to be free again` });
      await pingEachOther();
    });

    it('a restart of libvirtd disturbs nobody, and it still knows both', async () => {
      const pids = await Promise.all([web.pid(), other.pid()]);
      await libvirt.restartDaemon();
      for (const domain of [web, other]) {
        await until(async () => (await domain.state()) === 'running', { deadline, what: `${domain.name} to be known` });
      }
      assert.deepEqual(await Promise.all([web.pid(), other.pid()]), pids);
      await pingEachOther();
      await libvirt.ok('suspend', web.name);
      await libvirt.ok('resume', web.name);
      await pingEachOther();
    });

    it('destroy leaves no process, socket or hugepage behind, and the other one alone', async () => {
      const pid = await other.pid();
      assert.ok(await other.destroy());
      assert.deepEqual(other.leftovers(), []);
      assert.notEqual((await libvirt.space.run('kill', ['-0', String(pid)])).code, 0, 'its process is gone');
      const { stdout } = await libvirt.space.run('find', [libvirt.files.pages, '-name', `*${other.name}*`]);
      assert.equal(stdout, '');
      assert.equal(await web.state(), 'running');
      await until(async () => (await portState(other)) !== 'ready', { deadline, what: 'the switch to see it go' });
      assert.equal(await portState(web), 'ready');
      await other.boot();
      await address(other);
      await pingEachOther();
    });

    /** undefined where the port is gone, as one that was made for its guest may be. */
    async function portState(domain: Domain): Promise<string | undefined> {
      return (await vswitch.ports()).find(({ name }) => name === portOf(domain))?.state;
    }

    it('detach brings each domain back to what it was, byte for byte', async () => {
      for (const domain of [web, other]) {
        assert.notEqual(await domain.xml(), originals.get(domain.name));
        await domain.destroy();
        await domain.detach();
        assert.equal(await domain.xml(), originals.get(domain.name));
      }
    });
  });
}

/** Of the first interface of a domain; the same in both modes. */
function portOf({ name }: Domain): string {
  return `${name}-hostnet0`;
}

function vhostUserXml(mac: string, socket: string): string {
  const source = `<source type='unix' path='${socket}' mode='client'/>`;
  return `<interface type='vhostuser'><mac address='${mac}'/>${source}<model type='virtio'/></interface>`;
}

async function hasLink(guest: GuestShell, wanted: boolean): Promise<void> {
  const has = async (): Promise<boolean> => (await guest.run('test -e /sys/class/net/eth1')).status === 0;
  await until(async () => (await has()) === wanted, {
    deadline,
    what: `eth1 of ${guest.name} to ${wanted ? 'come' : 'go'}`,
  });
}

/** Has the guest switch itself off when its power button is pressed; libvirt starts it again. */
async function pressable(guest: GuestShell): Promise<void> {
  const action = '/etc/acpi/PWRF/00000080';
  await guest.sh(`mkdir -p /etc/acpi/PWRF && printf '#!/bin/sh\\npoweroff -f\\n' >${action} && chmod 755 ${action}`);
  await guest.sh('acpid -d >/dev/null 2>&1 &');
}
