import { strict as assert } from 'node:assert';
import { meaningOf } from '../../../../src/cli/daemon/legacy-vhost.js';
import type { EalOptions } from '../../../../src/cli/daemon/legacy-vhost.js';
import { realHost } from '../../../../src/host/node-host.js';
import { fakeHost, withDir } from '../../switch/support.js';
import { Desk } from '../support.js';
import type { Host } from '../../../../src/host/host.js';

const STATUS = { '/proc/self/status': 'Cpus_allowed_list:\t0-1\n' };

/** A host with network cards: by address, their driver and PCI class. */
function withCards(cards: Readonly<Record<string, readonly [string, string]>> = {}): Host {
  const dir = '/sys/bus/pci/devices';
  const files = Object.entries(cards).map(([address, [, type]]) => [`${dir}/${address}/class`, `${type}\n`] as const);
  return {
    ...fakeHost({ files: { ...STATUS, ...Object.fromEntries(files) } }),
    realpath: (path) => {
      const driver = cards[path.slice(dir.length + 1).split('/')[0] ?? '']?.[0];
      return Promise.resolve(driver === undefined ? undefined : `/sys/bus/pci/drivers/${driver}`);
    },
  };
}

const NIC = ['vfio-pci', '0x020000'] as const;
const OF_2014 =
  '-p 0x1 --dev-basename usvhost --vm2vm 1 --mergeable 0 --stats 2 --rx-retry 1 --rx-retry-num 4 --rx-retry-delay 15 ' +
  '--zero-copy 0 --vlan-strip 1';
const EAL: EalOptions = { coremask: [0, 1, 2, 3], memoryChannels: 4, socketMem: 1024, hugeDir: '/mnt/huge' };

describe("DPDK's vhost example's command line", () => {
  it('as its guide has it: every option has its meaning here', async () => {
    const host = withCards({ '0000:05:00.0': NIC, '0000:03:00.0': NIC, '0000:01:00.0': ['vfio-pci', '0x030000'] });
    const meaning = await meaningOf(host, '/work', EAL, OF_2014.split(' '));
    assert.deepEqual(meaning?.notes, [
      '--huge-dir: not needed, hugepages are taken without a mount',
      'CPU 2, 3: not there for this process, going on without',
    ]);
    assert.deepEqual(meaning?.flags, {
      ...{ vm2vm: 'software', mergeable: false, rxRetry: true, rxRetryNum: 4, rxRetryDelay: 15, vlanStrip: true },
      ...{ stats: 2, workers: [1], memoryMb: 1024, memoryChannels: 4, vlan: 'auto', offloads: undefined },
      ...{ zeroCopy: false, rxDescNum: undefined, txDescNum: undefined },
      devBaseName: 'usvhost',
      ports: [{ name: 'usvhost', socket: '/work/usvhost' }],
      uplink: [{ name: 'port0', device: '0000:03:00.0' }],
    });
  });

  it("today's options", async () => {
    const words =
      '-p 0x6 -P --socket-file /s/a --socket-file b.sock --tso 1 --tx-csum 1 --total-num-mbufs 9001 --vm2vm 2'.split(
        ' ',
      );
    const eal = { corelist: [1], allow: ['0000:03:00.0'], vdev: ['net_tap0', 'net_null0'] };
    const { flags, notes } = (await meaningOf(withCards(), '/work', eal, words)) ?? {};
    assert.deepEqual(notes, []);
    assert.deepEqual(flags?.workers, [1]);
    assert.deepEqual([flags?.offloads, flags?.vm2vm], [true, 'hardware']);
    assert.deepEqual(flags?.ports, [
      { name: 'a', socket: '/s/a' },
      { name: 'b.sock', socket: '/work/b.sock' },
    ]);
    assert.deepEqual(flags?.uplink, [
      { name: 'port0', device: 'net_tap0', buffers: 4500, unknownUnicast: 'flood' },
      { name: 'port1', device: 'net_null0', buffers: 4500, unknownUnicast: 'flood' },
    ]);
  });

  it('zero copy, with its descriptors', async () => {
    const words = '--vm2vm 0 --zero-copy 1 --rx-desc-num 64 --tx-desc-num 128'.split(' ');
    const { flags } = (await meaningOf(withCards(), '/', {}, words)) ?? {};
    const { vm2vm, zeroCopy, rxDescNum, txDescNum } = flags ?? {};
    assert.deepEqual([vm2vm, zeroCopy, rxDescNum, txDescNum], ['off', true, 64, 128]);
  });

  it('without a card it starts all the same, and says so', async () => {
    const { flags, notes } = (await meaningOf(withCards(), '/', {}, ['-p', '1'])) ?? {};
    assert.deepEqual(flags?.uplink, []);
    assert.deepEqual(notes, ["-p 0x1: no network card is bound to a driver of DPDK's, starting without an uplink"]);
  });

  it('nothing of it: nothing is changed', async () => {
    assert.equal(await meaningOf(withCards(), '/', {}, []), undefined);
  });

  const refused: [string, EalOptions, RegExp][] = [
    ['--vm2vm 3', {}, /0, 1 or 2\.$/],
    ['--client', {}, /^--client: guests connect to the switch, not the switch to guests$/],
    ['--tso 1', {}, /^--tso 1: needs --tx-csum 1/],
    ['--tso 0 --tx-csum 1', {}, /^--tx-csum 1: comes with --tso 1 only$/],
    ['-p 0', {}, /a hexadecimal mask such as 0x1\.$/],
    ['-p 0x4', { vdev: ['net_tap0'] }, /^-p 0x4: there is no port 2, only net_tap0$/],
    ['--dmas', {}, /unknown option '--dmas'/],
    ['-p 1', { coremask: [7] }, /^-c: this process may only run on CPU 0, 1$/],
  ];
  for (const [words, eal, message] of refused) {
    it(`${words}: refused with the reason`, () =>
      assert.rejects(meaningOf(withCards(), '/', eal, words.split(' ')), { message }));
  }

  it('is told to the daemon as flags, and its notes to the user', () =>
    withDir(async (dir) => {
      const desk = new Desk();
      let given: unknown;
      desk.fakeHost = {
        ...realHost,
        list: () => Promise.resolve([]),
        spawnDetached: (_command, args) => {
          given = JSON.parse(args.at(-1) ?? '');
          return Promise.resolve({ pid: 7, firstLine: Promise.resolve('{"ready":true}'), release: () => undefined });
        },
      };
      const eal = ['--coremask', '1', '--memory-channels', '4', '--socket-mem', '512,512', '--huge-dir', '/mnt/huge'];
      const devices = ['--vdev', 'net_null0', '--run-dir', dir];
      const { code, err } = await desk.run('start', ...eal, ...devices, '--', '-p', '0x1', '--vlan-strip', '0');
      assert.equal(code, 0, err.join());
      assert.deepEqual(err, ['--huge-dir: not needed, hugepages are taken without a mount']);
      assert.deepEqual(given, {
        ...{ vlanStrip: false, workers: [0], memoryMb: 1024, memoryChannels: 4, vlan: 'auto', ports: [] },
        uplink: [{ name: 'port0', device: 'net_null0' }],
        runDir: dir,
      });
      const list = await desk.run('start', '--corelist', 'x', '--run-dir', dir);
      assert.match(list.err[0] ?? '', /"x" is not a CPU list such as 0,2-3\.$/);
      const few = await desk.run('start', '--socket-mem', '1', '--allow', '0000:03:00.0', '--run-dir', dir);
      assert.match(few.err[0] ?? '', /at least 16 MiB\.$/);
    }));
});
