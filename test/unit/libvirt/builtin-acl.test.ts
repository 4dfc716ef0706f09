import { deepEqual, equal } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { realHost } from '../../../src/host/node-host.js';
import { builtinAcl } from '../../../src/libvirt/qemu-conf/builtin-acl.js';
import { stringLists } from '../../../src/libvirt/qemu-conf/elf-strings.js';
import { MemoryHost } from '../host/memory-host.js';
import { library } from './elf-maker.js';

const DEVICES = ['null', 'full', 'zero', 'random', 'urandom', 'ptmx', 'kvm'].map((name) => `/dev/${name}`);
const DRIVER = 'libvirt/connection-driver/libvirt_driver_qemu.so';
const LIKE = /^\/dev\//;

const latin = (bytes: Buffer): string => bytes.toString('latin1');

describe('what libvirt has built in: lists in its driver', () => {
  for (const packed of [false, true]) {
    for (const little of [false, true]) {
      it(`${little ? 'little' : 'big'} endian, ${packed ? 'packed relocations' : 'relocations with addends'}`, () => {
        const list = [...DEVICES, '/dev/userfaultfd'];
        // Strings that others share, or that are the end of a longer one, stand elsewhere.
        const bytes = library([['/dev/null', '/dev/tty'], list, ['other']], {
          packed,
          little,
          shared: ['/dev/kvm', 'see /dev/null'],
        });
        deepEqual(
          stringLists(bytes, '/dev/null', LIKE).sort((a, b) => a.length - b.length),
          [['/dev/null', '/dev/tty'], list],
        );
        deepEqual(stringLists(bytes, '/dev/nothing', LIKE), []);
      });
    }
  }

  it('cut off or broken anywhere, it is no list at all or one of its own', () => {
    const bytes = library([DEVICES], { packed: false, little: true, shared: [] });
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255))), (end, edits) => {
        const broken = Buffer.from(bytes.subarray(0, end));
        for (const [at, byte] of edits) if (at < broken.length) broken[at] = byte;
        for (const list of stringLists(broken, '/dev/null', LIKE))
          equal(
            list.every((item) => LIKE.test(item)),
            true,
          );
      }),
    );
  });
});

describe('what libvirt has built in: where it is read from', () => {
  const host = (files: Readonly<Record<string, string>>): Promise<readonly string[]> =>
    builtinAcl(new MemoryHost(files).host);
  const made = (list: string[]): string => latin(library([list], { packed: false, little: true, shared: [] }));

  it('from the driver of any distribution, before what its version would say', async () => {
    const list = DEVICES.slice(0, 6);
    for (const dir of ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/lib/aarch64-linux-gnu']) {
      deepEqual(await host({ [`${dir}/${DRIVER}`]: made(list), [`${dir}/libvirt.so.0.11003.0`]: '' }), list);
    }
    deepEqual(await host({ '/usr/sbin/libvirtd': made(DEVICES) }), DEVICES);
  });

  it('by the version where the driver tells nothing, and the newest where that is not there either', async () => {
    const newest = [...DEVICES, '/dev/userfaultfd'];
    deepEqual(await host({ '/usr/lib64/libvirt.so.0.9000.0': '', [`/usr/lib64/${DRIVER}`]: 'x' }), DEVICES);
    deepEqual(await host({ '/usr/lib/x86_64-linux-gnu/libvirt.so.0.11003.0': '' }), newest);
    deepEqual(await host({}), newest);
  });

  it('from the libvirt of this machine, which says the same in its own qemu.conf', async function () {
    // Debian 13 has it in /etc alone.
    const conf = ['/usr/share/libvirt/qemu.conf', '/etc/libvirt/qemu.conf'].find(existsSync);
    const path = `/usr/lib/x86_64-linux-gnu/${DRIVER}`;
    if (!existsSync(path)) this.skip();
    const said = readFileSync(conf ?? 'test/golden/qemu-conf/debian-12.conf', 'utf8');
    const example = /^#cgroup_device_acl = \[\n((?:#.*\n)*?)#\]\n/m.exec(said)?.[1] ?? '';
    deepEqual(
      await builtinAcl(realHost),
      [...example.matchAll(/"([^"]+)"/g)].map(([, device]) => device),
    );
  });
});
