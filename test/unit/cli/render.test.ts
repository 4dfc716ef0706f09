import { strict as assert } from 'node:assert';
import { exitCodeOf, errorObject } from '../../../src/cli/shared/exit-code.js';
import { macLines } from '../../../src/cli/switch/macs.js';
import { portLines } from '../../../src/cli/switch/ports.js';
import { statsLines } from '../../../src/cli/switch/stats.js';
import { uplinkLines } from '../../../src/cli/switch/uplinks.js';
import { statusLines } from '../../../src/cli/daemon/status.js';
import { count, duration, tableLines } from '../../../src/cli/shared/table.js';
import type { Column } from '../../../src/cli/shared/table.js';
import { VhostHostError } from '../../../src/common/errors.js';
import { lookOf } from '../../../src/common/output.js';
import type { PortStats, Status, Uplink } from '../../../src/switch/model/schema.js';

describe('tables', () => {
  it('are aligned, without blanks at the end, and safe to print', () => {
    const columns = [
      { title: 'A', cell: ([a]: string[]) => a ?? '' },
      { title: 'N', cell: ([, n]: string[]) => n ?? '', right: true },
      { title: 'LAST', cell: ([, , z]: string[]) => z ?? '' },
    ];
    const rows = [
      ['long', '1', 'x'],
      ['s', '100', '\u001b'],
    ];
    assert.deepEqual(tableLines(columns, rows), ['A       N  LAST', 'long    1  x', 's     100  \\x1b']);
  });

  describe('on a terminal', () => {
    interface Row {
      readonly name: string;
      readonly up: boolean;
    }
    const columns: Column<Row>[] = [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'STATE', cell: ({ up }) => (up ? 'up' : 'down'), tone: ({ up }) => (up ? 'good' : 'bad'), right: true },
      { title: 'NOTE', cell: () => '-', optional: true },
    ];
    const rows = [
      { name: 'first', up: true },
      { name: 'x', up: false },
    ];
    const paint = (tone: string, text: string): string => `<${tone}>${text}</>`;

    it('states have colours, and everything stands where it stood', () => {
      const plain = tableLines(columns, rows);
      assert.deepEqual(plain, ['NAME   STATE', 'first     up', 'x       down']);
      const painted = tableLines(columns, rows, { paint });
      assert.deepEqual(painted, ['NAME   STATE', 'first     <good>up</>', 'x       <bad>down</>']);
    });

    it('what is too wide stands below each other, and no cell is lost', () => {
      assert.deepEqual(tableLines(columns, rows, { width: 12 }), tableLines(columns, rows));
      assert.deepEqual(tableLines(columns, rows, { width: 11, paint }), [
        'NAME   first',
        'STATE  <good>up</>',
        '',
        'NAME   x',
        'STATE  <bad>down</>',
      ]);
    });

    it('NO_COLOR, a dumb terminal and a pipe are left as they are', async () => {
      const terminal = { isTTY: true, columns: 80 } as const;
      const { paint: colour, width } = await lookOf(terminal, {});
      assert.deepEqual([width, colour?.('good', 'x')], [80, '\u001b[32mx\u001b[39m']);
      assert.deepEqual(await lookOf(terminal, { NO_COLOR: '1' }), { width: 80 });
      assert.deepEqual(await lookOf({ isTTY: true, columns: 0 }, { TERM: 'dumb' }), {});
      assert.deepEqual(await lookOf({ isTTY: false, columns: 80 }, {}), {});
    });
  });

  it('have readable numbers and times', () => {
    assert.equal(count(1234567), '1,234,567');
    const times = [0, 5, 60, 3599, 3600, 90_061, 200_000].map(duration);
    assert.deepEqual(times, ['0s', '5s', '1m 0s', '59m 59s', '1h 0m', '1d 1h', '2d 7h']);
  });
});

describe('answers for people', () => {
  const counters = {
    txPackets: 12_345,
    txBytes: 740_700,
    rxPackets: 1,
    rxBytes: 60,
    interrupts: 9,
    interruptsApart: 0,
    unlearned: 0,
    drops: {},
  };
  const quiet: PortStats = { name: 'a', id: 0, counters };
  const lossy: PortStats = {
    name: 'b',
    id: 1,
    counters: { ...counters, drops: { rx_ring_full: 1500, tx_runt: 0, rx_not_ready: 2 } },
  };

  it('stats: both directions, and every drop that happened by its name', () => {
    assert.deepEqual(statsLines({ ports: [quiet, lossy], uplinks: [] }), [
      'ID  PORT  FROM GUEST  BYTES FROM  TO GUEST  BYTES TO  INTERRUPTS  DROPS',
      ' 0  a         12,345     740,700         1        60           9  -',
      ' 1  b         12,345     740,700         1        60           9  rx_ring_full 1,500, rx_not_ready 2',
    ]);
    assert.deepEqual(statsLines({ ports: [], uplinks: [] }), ['no ports']);
  });

  it('stats: uplinks below, with what the device itself has counted', () => {
    const device = { rxMissed: 3, rxErrors: 0, rxNoBuffer: 1, txErrors: 0 };
    const uplink = { name: 'net0', id: 256, counters: { ...counters, drops: { tx_unknown_unicast: 4 } }, device };
    assert.deepEqual(statsLines({ ports: [], uplinks: [uplink] }), [
      'no ports',
      '',
      ' ID  UPLINK  FROM NETWORK  BYTES FROM  TO NETWORK  BYTES TO  DROPS                 BY THE DEVICE',
      '256  net0          12,345     740,700           1        60  tx_unknown_unicast 4  rxMissed 3, rxNoBuffer 1',
    ]);
  });

  it('uplinks: a speed that nobody knows is a dash', () => {
    const uplink: Uplink = {
      ...{ id: 256, name: 'net0', device: 'net_null0', driver: 'net_null', origin: 'config', state: 'down' },
      ...{ mac: '02:00:00:00:00:01', speedMbps: null, mtu: 1500, queues: 2, workers: [0, 1], unknownUnicast: 'drop' },
      forwardReserved: false,
      ...{
        zeroCopied: 5678,
        zeroCopiedIn: 90,
        offloads: ['tx-csum', 'tso'],
        remark: null,
        buffers: 10,
        buffersFree: 9,
        pools: { count: 7, taken: [{ pool: 1, id: 0, mac: '02:00:00:00:00:0a' }], software: [] },
        macs: 1234,
      },
    };
    assert.deepEqual(
      uplinkLines([uplink, { ...uplink, pools: null, offloads: [], zeroCopied: null, zeroCopiedIn: null }]),
      [
        ' ID  NAME  LINK  MBIT/S   MTU  OFFLOADS     WORKERS  POOLS  ZC TX  ZC RX  UNKNOWN UNICAST   MACS  DRIVER    DEVICE',
        '256  net0  down       -  1500  tx-csum,tso      0,1    1/7  5,678     90  drop             1,234  net_null  net_null0',
        '256  net0  down       -  1500  -                0,1      -      -      -  drop             1,234  net_null  net_null0',
      ],
    );
    const bare = { ...uplink, pools: null, offloads: [], zeroCopied: null, zeroCopiedIn: null };
    assert.deepEqual(uplinkLines([bare]), [
      ' ID  NAME  LINK  MBIT/S   MTU  WORKERS  UNKNOWN UNICAST   MACS  DRIVER    DEVICE',
      '256  net0  down       -  1500      0,1  drop             1,234  net_null  net_null0',
    ]);
    const beyond = { ...uplink, pools: { count: 0, taken: [], software: [7, 9] } };
    assert.match(uplinkLines([beyond])[1] ?? '', / 0\/0 \+2 /);
    assert.deepEqual(uplinkLines([]), ['no uplinks']);
  });

  it('ports: many addresses in little room', () => {
    const port = {
      id: 0,
      name: 'a',
      socket: '/s',
      queues: 4,
      queuesInUse: 2,
      origin: 'api',
      state: 'ready',
      missing: null,
      vlanTag: 1000,
      vlan: 'none',
    } as const;
    const more = {
      offloads: false,
      features: [],
      memoryBytes: 0,
      rings: [],
      transports: ['user' as const],
      device: null,
      mac: null,
      macLimit: 2048,
      forwardReserved: false,
      owner: null,
    };
    const plain = { ...port, ...more, macs: ['m1', 'm2', 'm3', 'm4'], pools: [] };
    assert.match(portLines([plain])[1] ?? '', / m1 m2 \+2 +\/s$/);
    const pools = [
      { uplink: 'net', pool: 3 },
      { uplink: 'dmz', pool: null },
    ];
    const lines = portLines([plain, { ...plain, pools }]);
    assert.match(lines[0] ?? '', / POOL +SOCKET$/);
    assert.match(lines[1] ?? '', / 2\/4 /);
    assert.match(lines[1] ?? '', / \+2 +- +\/s$/);
    assert.match(lines[2] ?? '', / \+2 +net:3 dmz:software +\/s$/);
    assert.equal(lines.length, 3);
    const missing = { reason: 'no_memory', text: 'the front end shares no memory', hint: 'share=on' };
    const lacking = portLines([plain, { ...plain, missing }, { ...plain, missing: { ...missing, hint: null } }]);
    assert.deepEqual(lacking.slice(4), [
      'a: the front end shares no memory (share=on)',
      'a: the front end shares no memory',
    ]);
    // Nobody has come yet: the state says so.
    assert.equal(portLines([{ ...plain, missing: { ...missing, reason: 'no_front_end' } }]).length, 2);
  });

  it('macs: none yet', () => assert.deepEqual(macLines([]), ['no addresses learned']));

  it('status: what is used and why not, and how busy', () => {
    const status: Status = {
      version: '1.2.3',
      pid: 5,
      runDir: '/r',
      apiSocket: '/r/api.sock',
      log: null,
      config: null,
      startedAt: 'x',
      uptimeSeconds: 61,
      dpdk: 'DPDK 1',
      hugepages: false,
      hugepagesReason: 'too few',
      poll: 'adaptive',
      instructionSet: 'x86-64-v3',
      workers: [
        { id: 0, cpu: null, tid: 9, queues: 1, packets: 1000, sleeps: 2, cycles: 1000, busyCycles: 125 },
        { id: 1, cpu: 3, tid: 10, queues: 0, packets: 0, sleeps: 0, cycles: 0, busyCycles: 0 },
      ],
      ports: 1,
      portsReady: 0,
      macs: 0,
      eventsLost: 0,
      contested: [],
    };
    assert.deepEqual(statusLines(status), [
      'switch     running in /r, process 5, up 1m 1s',
      'version    1.2.3 with DPDK 1',
      'ports      1, 0 ready; 0 addresses learned',
      'hugepages  not used: too few',
      'polling    adaptive',
      'data path  x86-64-v3',
      'config     none',
      'log        standard error',
      '',
      'WORKER  CPU  THREAD  QUEUES  PACKETS    BUSY  SLEEPS',
      '     0  any       9       1    1,000  12.5 %       2',
      '     1    3      10       0        0       -       0',
    ]);
    const newer = statusLines(status, {}, '1.3.0');
    const restart = 'this command is 1.3.0: vhost-host stop && vhost-host start (guests reconnect)';
    assert.equal(newer[2], `           ${restart}`);
    const contested = [{ mac: '02:00:00:00:00:01', vlan: 7, ports: ['a', 'b'] }];
    const better = statusLines({ ...status, hugepages: true, hugepagesReason: null, eventsLost: 1200, contested });
    assert.ok(better.includes('same MAC   02:00:00:00:00:01 in VLAN 7 is the address of a and b'));
    assert.ok(better.includes('hugepages  used'));
    assert.ok(better.includes('lost       1,200 events'));
  });
});

describe('exit codes', () => {
  it('0 done, 1 failed, 2 asked for wrongly', () => {
    assert.equal(exitCodeOf(undefined), 0);
    assert.equal(exitCodeOf(new Error('x')), 1);
    assert.equal(exitCodeOf(new VhostHostError('PORT_UNKNOWN', 'x')), 1);
    assert.equal(exitCodeOf(new VhostHostError('USAGE', 'x')), 2);
  });

  it('errors as objects have no more than code, message and hint', () => {
    const error = new VhostHostError('PORT_UNKNOWN', 'x\ny', { hint: 'do', details: { a: 1 } });
    assert.deepEqual(errorObject(error), { error: { code: 'PORT_UNKNOWN', message: 'x y', hint: 'do' } });
    assert.deepEqual(errorObject(new Error('z')), { error: { code: 'INTERNAL', message: 'internal error: z' } });
  });
});
