import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import { SPELLINGS, spelled } from '../../helpers/spellings.js';
import { VIRTIO_NET_NAMES, virtioNetBus } from '../../../src/wrap/drivers.js';
import { wrapIn } from './support.js';
import type { Situation } from './support.js';
import { parseGroup } from '../../../src/wrap/cmdline/parse-group.js';

const OFFLOADS = ['csum', 'gso', 'guest_tso4', 'guest_tso6', 'guest_ecn'];

interface Parts {
  readonly netdev: string | undefined;
  readonly device: string | undefined;
  readonly memory: string | undefined;
  readonly left: string;
  readonly remarks: readonly string[];
}

function partsOf(args: readonly string[], situation: Situation): Parts {
  const { args: after, remarks } = wrapIn(args, situation);
  const texts = after.map(({ text }) => text);
  const valuesOf = (option: string): string[] => texts.filter((_, i) => texts[i - 1]?.replace('--', '-') === option);
  return {
    netdev: valuesOf('-netdev')[0],
    device: valuesOf('-device').find((text) => text.includes('netdev')),
    memory: valuesOf('-object').find((text) => !text.includes('v0')),
    left: texts.join(' '),
    remarks,
  };
}

describe('every spelling of a guest', () => {
  for (const [name, spelling] of Object.entries(SPELLINGS)) {
    it(`all rules know ${name}`, () => {
      const files = spelling.file === undefined ? {} : { FILE: spelling.file };
      const { netdev, device, memory, left, remarks } = partsOf(spelled(spelling, 'FILE'), { files });
      deepEqual(remarks, []);
      ok(!/vhtap0|vhost=| -(nic|set) |"tap"/.test(left), left);
      match(left, /-chardev socket,id=vhost-host-\w+,path=\/run\/vhost-host\/port-qemu-\w+\.sock,reconnect=1/);
      equal(parseGroup(netdev ?? '', 'type').get('type'), 'vhost-user');
      const card = parseGroup(device ?? '', 'driver');
      equal(card.get('netdev'), parseGroup(netdev ?? '', 'type').get('id'));
      equal(card.get('mac'), '52:54:00:00:00:09');
      for (const key of OFFLOADS) equal(card.get(key), 'off', key);
      equal(card.get('vectors'), '0');
      const ram = parseGroup(memory ?? '', 'qom-type');
      deepEqual([ram.get('qom-type'), ram.get('share'), ram.get('size')], ['memory-backend-memfd', 'on', '96M']);
      match(left, /virtio-mem-pci,memdev=v0|^(?!.*virtio-mem)/);
    });
  }
});

describe('what one name means for another machine', () => {
  const call = (machine: string, rest: string): string[] => [...machine.split(' ').filter(Boolean), ...rest.split(' ')];
  const NET = '-netdev tap,id=n0,vhost=on';
  const on = (architecture: string): Situation => ({ emulator: `/usr/bin/qemu-system-${architecture}` });
  const vectors = (driver: string, architecture: string): string | undefined =>
    /vectors=\d/.exec(
      partsOf(['-m', '1G', ...`${NET} -device ${driver},netdev=n0`.split(' ')], on(architecture)).left,
    )?.[0];

  it('only cards on PCI have MSI-X to switch off, by every name', () => {
    const buses = { x86_64: 'pci', aarch64: 'pci', ppc64: 'pci', riscv64: 'pci', s390x: 'ccw', m68k: 'mmio' };
    for (const [architecture, bus] of Object.entries(buses)) {
      equal(virtioNetBus('virtio-net', architecture), bus);
      for (const driver of VIRTIO_NET_NAMES) {
        const wanted = virtioNetBus(driver, architecture) === 'pci' ? 'vectors=0' : undefined;
        equal(vectors(driver, architecture), wanted, `${driver} on ${architecture}`);
      }
    }
    equal(vectors('virtio-net-ccw', 's390x'), undefined);
    equal(vectors('virtio-net-pci', 's390x'), 'vectors=0');
  });

  it('-nic makes the card that the machine would', () => {
    const card = (architecture: string, machine: string, model = ''): string | undefined =>
      /(\S+),netdev=nic0/.exec(partsOf(call(machine, `-m 1G -nic tap,vhost=on${model}`), on(architecture)).left)?.[1];
    equal(card('s390x', ''), 'virtio-net-ccw');
    equal(card('s390x', '', ',model=virtio'), 'virtio-net-ccw');
    equal(card('aarch64', '-M virt-9.0'), 'virtio-net-pci');
    equal(card('loongarch64', ''), 'virtio-net-pci');
    equal(card('ppc64', '-M pseries-rhel7.6.0', ',model=virtio'), 'virtio-net-pci');
    for (const [architecture, machine, model] of [
      ['x86_64', '', ''],
      ['x86_64', '', ',model=virtio-net'],
      ['x86_64', '-M microvm', ',model=virtio'],
      ['ppc64', '', ''],
      ['riscv64', '-M virt', ',model=virtio-net-pci'],
      ['s390x', '', ',model=virtio-net-ccw'],
      ['aarch64', '', ',model=virtio'],
    ] as const) {
      const { left, remarks } = partsOf(call(machine, `-m 1G -nic tap,vhost=on${model}`), on(architecture));
      equal(left, call(machine, `-m 1G -nic tap,vhost=on${model}`).join(' '));
      equal(remarks.length, 1);
    }
  });

  it('memory that nobody said is what the machine has, or the call is refused', () => {
    const size = (architecture: string, machine: string): string | undefined =>
      /size=(\w+)/.exec(
        partsOf(call(machine, `${NET} -device virtio-net,netdev=n0`), on(architecture)).memory ?? '',
      )?.[1];
    equal(size('x86_64', ''), '128M');
    equal(size('x86_64', '-M pc-q35-8.2'), '128M');
    equal(size('s390x', '-M s390-ccw-virtio-7.2'), '128M');
    equal(size('ppc64', ''), '512M');
    equal(size('aarch64', '-M virt'), '128M');
    equal(size('aarch64', '-machine sbsa-ref'), '1G');
    equal(size('loongarch64', '-machine type=virt'), '1G');
    for (const [architecture, machine] of [
      ['aarch64', '-M raspi3b'],
      ['aarch64', ''],
      ['x86_64', '-M virt'],
      ['riscv64', ''],
    ] as const)
      throws(() => size(architecture, machine), { code: 'ARGV_INVALID', hint: 'say it: -m 1G' });
    equal(size('riscv64', '-M sifive_u -m 2G'), '2G');
    equal(size('x86_64', '-M pc,memory.size=1G -m 2G'), '2G');
    equal(size('x86_64', '-M pc,memory.size=134217728'), '128M');
  });

  it('a program that is called otherwise is for this host', () => {
    const args = ['-m', '1G', ...`${NET} -device virtio-net,netdev=n0`.split(' ')];
    match(partsOf(args, { emulator: '/usr/bin/kvm' }).left, /virtio-net,netdev=n0/);
    match(
      partsOf(['-nic', 'tap,vhost=on,model=virtio'], { emulator: '/opt/my-qemu' }).left,
      /size=128M.*virtio-net-pci,/,
    );
  });
});

describe('what asks for vhost in vain', () => {
  it('is passed on as it is, with a line', () => {
    for (const driver of ['e1000', 'e1000e', 'rtl8139', 'vmxnet3', 'usb-net']) {
      const line = `-m 64 -netdev tap,id=n0,vhost=on -device ${driver},netdev=n0`;
      const { left, remarks } = partsOf(line.split(' '), {});
      equal(left, line);
      deepEqual(remarks, [
        `netdev "n0" is left to QEMU: vhost=on means nothing to its device ${driver}; use virtio-net-pci for the switch`,
      ]);
    }
  });

  it('beside a card for the switch, too', () => {
    const line =
      '-m 64 -netdev tap,id=a,vhost=on -device e1000,netdev=a -netdev tap,id=b,vhost=on -device virtio-net,netdev=b';
    const { left, remarks } = partsOf(line.split(' '), {});
    match(left, /-netdev tap,id=a,vhost=on -device e1000,netdev=a -chardev \S+ -netdev vhost-user,id=b,/);
    equal(remarks.length, 1);
  });
});
