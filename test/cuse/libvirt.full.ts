import { strict as assert } from 'node:assert';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Child, runToEnd } from '../helpers/child.js';
import type { Finished } from '../helpers/child.js';
import { bin, root } from '../helpers/paths.js';
import { PingGuest, goesOn } from '../helpers/guests/ping-guest.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

const SLOW = 600_000;
const RUN = '/run/vhost-host';
const SERIAL = '/run/web.serial';

/** As somebody has it who followed the recipe of 2014, but for the devices. Root: the tap is root's. */
const QEMU_CONF = `user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
stdio_handler = "file"
cgroup_device_acl = [
    "/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/kvm",
    "/dev/net/tun"
]
`;

/** The recipe's command line, in a domain that libvirt knows nothing of it. */
const DOMAIN = `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${root}build/ping-guest/guest.elf</kernel>
    <cmdline>me=5 ask=2</cmdline>
  </os>
  <devices>
    <emulator>/usr/bin/qemu-wrap</emulator>
    <serial type='file'><source path='${SERIAL}'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='tap,id=hostnet1,ifname=web0,script=no,downscript=no,vhost=on'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=hostnet1,id=net1,mac=52:54:00:00:00:05,bus=pci.0,addr=0x7'/>
  </qemu:commandline>
</domain>
`;

describe('a domain on /dev/usvhost-1, with libvirt', function () {
  this.timeout(3 * SLOW);
  const scope = new Scope();
  let daemon: Child;

  const run = (command: string, ...args: string[]): Promise<Finished> =>
    runToEnd(scope, command, args, { deadline: SLOW });
  const ok = async (command: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(command, ...args);
    assert.equal(code, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };
  const startLibvirt = async (): Promise<void> => {
    daemon = await Child.start(scope, 'libvirtd', 'libvirtd', []);
    await until(async () => (await run('virsh', 'version')).code === 0, { deadline: SLOW, what: 'libvirtd' });
  };

  const said = (): string => readFileSync(SERIAL, 'utf8');
  const answers = (count: number): Promise<unknown> =>
    until(() => (said().match(/reply \d+\n/g) ?? []).length >= count, {
      deadline: SLOW,
      what: `${count} answers (${SERIAL})`,
    });

  before(async () => {
    writeFileSync('/etc/libvirt/qemu.conf', QEMU_CONF);
    writeFileSync('/etc/libvirt/libvirtd.conf', 'auth_unix_rw = "none"\n');
    mkdirSync('/etc/vhost-host', { recursive: true });
    writeFileSync('/run/switch.json', JSON.stringify({ ports: [{ name: 'web-hostnet1', transports: ['cuse'] }] }));
    writeFileSync('/run/web.xml', DOMAIN);
    await ok('mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup');
    await ok('ip', 'tuntap', 'add', 'dev', 'web0', 'mode', 'tap', 'user', 'root');
    await Switch.start(scope, {
      runDir: RUN,
      args: ['--config', '/run/switch.json', '--hugepages', 'off'],
      deadline: SLOW,
    });
    await PingGuest.start(scope, { name: 'answering', me: 2, runDir: RUN });
    await ok(bin.vhostHost, 'libvirt', 'setup', '--yes');
    await startLibvirt();
    await ok('virsh', 'define', '/run/web.xml');
  });
  after(() => scope.close());

  it('does not start where its device is not in the list, and is told what to do', async () => {
    const { code, stderr } = await run('virsh', 'start', 'web');
    assert.notEqual(code, 0);
    assert.match(stderr, /\/dev\/usvhost-1 cannot be opened: there is no such device/);
    assert.match(stderr, /vhost-host libvirt setup --devices 1/);
  });

  it('starts once it is, and pings through it', async () => {
    await ok(bin.vhostHost, 'libvirt', 'setup', '--devices', '1', '--yes');
    await daemon.stop();
    await startLibvirt();
    // At once: its port is not kept for the start that came to nothing.
    await ok('virsh', 'start', 'web');
    await answers(3);
    assert.match(await ok('virsh', 'domstate', 'web'), /running/);
  });

  it('is saved to a file, and goes on with its next ping when it is restored', async () => {
    await ok('virsh', 'save', 'web', '/run/web.saved');
    const before = said();
    assert.match(await ok('virsh', 'domstate', 'web'), /shut off/);
    // Its serial line's file begins anew.
    await ok('virsh', 'restore', '/run/web.saved');
    await answers(3);
    goesOn(before, said());
    assert.doesNotMatch(said(), /up\n/);
    await ok('virsh', 'destroy', 'web');
  });
});
