import assert from 'node:assert/strict';
import { foreignShare, parseRunTime, parseStolen } from '../../bench/disturbance.js';
import { parseGuestDrops, parsePaths } from '../../bench/guests.js';
import { classify, parseSmaps } from '../../bench/memory.js';
import { newestOf, parseMicro } from '../../bench/micro.js';
import { parseOptions } from '../../bench/options.js';
import { parseMap, parsePmdStats, parsePortStats, parseVersion } from '../../bench/contenders/ovs-stats.js';

/** As Open vSwitch 3.1 prints it, shortened. */
const pmdStats = `pmd thread numa_id 0 core_id 0:
  packets received: 1200
  packet recirculations: 0
  avg. datapath passes per packet: 1.00
  idle cycles: 145508440 (60.00%)
  processing cycles: 348000 (40.00%)
  avg processing cycles per packet: 290.00 (348000/1200)
main thread:
  packets received: 7
  packet recirculations: 0
`;

describe('bench: what others print', () => {
  it("takes the PMD thread's figures and not the main thread's", () => {
    assert.deepEqual(parsePmdStats(pmdStats), { packets: 1200, idleCycles: 145508440, busyCycles: 348000 });
  });

  it('refuses statistics of no PMD thread, of several, and without a figure', () => {
    const main = pmdStats.slice(pmdStats.indexOf('main thread'));
    assert.throws(() => parsePmdStats(main), /has 0 PMD threads/);
    assert.throws(() => parsePmdStats(pmdStats + pmdStats), /has 2 PMD threads/);
    assert.throws(() => parsePmdStats(pmdStats.replace('processing cycles', 'x')), /no "processing cycles"/);
  });

  it('finds the counters of a port, also behind one that tells none', () => {
    const answer = [
      '  port 0: ovs-netdev (tap)',
      '    RX packets:3 errors:0 dropped:0',
      '    TX packets:4 errors:0 dropped:0',
      '  port 2: guest1 (dpdkvhostuser: mtu=1500)',
      ', could not retrieve stats (Protocol error)  port 3: nic1 (dpdk: mtu=1500)',
      '    RX packets:6301216 errors:0 dropped:0 overruns:? frame:?',
      '    TX packets:12 errors:0 dropped:0 aborted:? carrier:?',
    ].join('\n');
    assert.deepEqual(parsePortStats(answer, 'nic1'), { rxPackets: 6301216, txPackets: 12 });
    assert.throws(() => parsePortStats(answer, 'nic2'), /no port nic2/);
  });

  it("reads ovs-vsctl's maps, quoted values too", () => {
    const map = parseMap('{features="0x0000000110008000", mode=server, note="a, b", status=connected}');
    assert.deepEqual(
      [...map.entries()],
      [
        ['features', '0x0000000110008000'],
        ['mode', 'server'],
        ['note', 'a, b'],
        ['status', 'connected'],
      ],
    );
    assert.equal(parseMap('{}').size, 0);
  });

  it('names the version in one line', () => {
    const answer = 'ovs-vswitchd-dpdk (Open vSwitch) 3.1.0\n';
    assert.equal(parseVersion(answer, '"DPDK 22.11.11"'), 'Open vSwitch 3.1.0 (DPDK 22.11.11)');
    assert.equal(parseVersion('', 'DPDK 1'), 'Open vSwitch of unknown version (DPDK 1)');
  });

  it("finds the guests' functions and drops", () => {
    const said = [
      'virtio_set_rxtx_funcs(): virtio: using packed ring standard Tx path on port 0',
      'virtio_set_rxtx_funcs(): virtio: using packed ring standard Tx path on port 1',
      'virtio_set_rxtx_funcs(): virtio: using inorder Rx path on port 0',
    ].join('\n');
    assert.deepEqual(parsePaths(said), ['packed ring standard tx', 'inorder rx']);
    const stop = [
      '  TX-packets: 100            TX-dropped: 3             TX-total: 103',
      '  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++',
      '  TX-packets: 200            TX-dropped: 5             TX-total: 205',
    ].join('\n');
    assert.equal(parseGuestDrops(stop), 5);
    assert.equal(parseGuestDrops(''), 0);
  });

  it('keeps the tables of the ring to ring bench, whatever else it prints', () => {
    const tables = parseMicro(
      [
        '# gcc 12, generic, medians of 7 runs',
        'rings      bytes   ring  batch  how            cycles   memcpy   ratio  above it',
        'split         64    256   32.0  one thread       50.1     10.2    4.91      39.9',
        'mergeable   9000   1024   20.5  two, touched   1500.0   1600.0    0.94    -100.0',
        'a line about something else',
        '# another without rows',
      ].join('\n'),
      2,
    );
    assert.equal(tables.length, 1);
    assert.deepEqual(newestOf([...tables, ...tables]), tables);
    assert.equal(tables[0]?.title, 'gcc 12, generic, medians of 7 runs');
    assert.deepEqual(tables[0]?.rows, [
      ['split', '64', '256', '32.0', 'one thread', '50.1', '10.2', '4.91', '39.9'],
      ['mergeable', '9000', '1024', '20.5', 'two, touched', '1500.0', '1600.0', '0.94', '-100.0'],
    ]);
  });

  it('sorts resident memory by what it is for', () => {
    const mapping = (start: string, path: string, kb: number): string =>
      `${start}-fffffffff000 rw-p 00000000 00:01 12 ${path}\nSize: 99999 kB\nRss: ${kb} kB\nShared_Hugetlb: 0 kB`;
    const smaps = [
      mapping('00400000', '/usr/bin/node', 1024),
      mapping('100000000', '', 2048),
      `${mapping('100200000', '/anon_hugepage (deleted)', 0)}\nPrivate_Hugetlb: 2048 kB`,
      mapping('7f0000000000', '/memfd:nohuge (deleted)', 3072),
      mapping('7f1000000000', '[stack]', 512),
      mapping('7f2000000000', '', 512),
    ].join('\n');
    assert.deepEqual(classify(parseSmaps(smaps)), {
      ...{ ports: 16, buffers: 4, guests: 3, files: 1, own: 1, beyondBuffers: 2 },
    });
  });
});

describe('bench: CPU time that others took', () => {
  const stat = '7 (a b) R 1 1 1 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0';

  it('reads run times and steal', () => {
    assert.equal(parseRunTime('1500000 200 3', ''), 1.5);
    assert.equal(parseRunTime(undefined, stat), 420);
    assert.equal(parseStolen('cpu  9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 0\ncpu1 1 2 3 4 5 6 7 25 0\n', 1), 250);
    assert.equal(parseStolen('', 1), 0);
  });

  it('is the larger of what the two threads went without', () => {
    const at = (ms: number, ran: readonly number[], stolen: readonly number[]) => ({
      threads: ran.map((value) => ({ at: ms, ran: value })),
      stolen,
    });
    assert.equal(foreignShare(at(0, [0, 0], [0, 0]), at(1000, [1000, 1002], [0, 0])), 0);
    assert.equal(foreignShare(at(0, [0, 0], [0, 0]), at(1000, [990, 750], [0, 0])), 0.25);
    assert.equal(foreignShare(at(0, [0, 0], [10, 0]), at(1000, [1000, 1000], [310, 0])), 0.3);
  });
});

describe('bench: options', () => {
  it('knows its defaults, and quick ones', () => {
    const plain = parseOptions([]);
    assert.equal(plain?.rounds, 3);
    assert.equal(plain.micro, 0);
    assert.ok(plain.cases.length > 20);
    assert.equal(parseOptions(['--quick'])?.cases.length, 2);
    assert.deepEqual(
      parseOptions(['--rows', '^packed/(64|9000)$'])?.cases.map(({ id }) => id),
      ['packed/64', 'packed/9000'],
    );
    const nic = parseOptions(['--nic']);
    assert.deepEqual([nic?.cases.length, nic?.nicCases.length, nic?.latency, nic?.memory], [0, 8, false, false]);
    assert.equal(plain.nicCases.length, 8);
    assert.equal(parseOptions(['--quick'])?.nicCases.length, 2);
    assert.deepEqual(
      parseOptions(['--rows', '^receive/.*/64$'])?.nicCases.map(({ id }) => id),
      ['receive/split/64', 'receive/packed/64'],
    );
    assert.equal(parseOptions(['--help']), undefined);
    assert.equal(parseOptions(['--micro', '--effort', '3'])?.micro, 3);
  });

  it('refuses what it does not understand', () => {
    assert.throws(() => parseOptions(['--rows', 'nothing-like-it']), /no row matches/);
    assert.throws(
      () => parseOptions(['--nic', '--rows', 'split/256']),
      /no row matches split\/256; there are: receive/,
    );
    assert.throws(() => parseOptions(['--rows', '(']), /--rows/);
    assert.throws(() => parseOptions(['--rounds', '0']), /whole number/);
    assert.throws(() => parseOptions(['--seconds', '0.01']), /from 0.2/);
    assert.throws(() => parseOptions(['--nonsense']), /nonsense/);
  });
});
