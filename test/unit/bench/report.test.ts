import assert from 'node:assert/strict';
import { allCases } from '../../bench/cases.js';
import { document } from '../../bench/report/docs.js';
import type { Measured } from '../../bench/measure.js';
import { render } from '../../bench/report/render.js';
import { nicCases } from '../../bench/nic/cases.js';
import { failed, limitOf, nicRowOf, rowOf } from '../../bench/report/report.js';
import type { Report, Row } from '../../bench/report/report.js';
import { median, quantile, summarize } from '../../bench/report/summary.js';
import type { Summary } from '../../bench/report/summary.js';
import { chart } from '../../bench/report/svg.js';
import { sampleOf } from '../../bench/windows.js';
import type { Moment, Sample } from '../../bench/windows.js';

const sample: Sample = {
  ...{ packetsPerSecond: 1e6, bitsPerSecond: 5e8, cyclesPerPacket: 90, busy: 0.7 },
  ...{ dropped: 0, foreign: 0 },
};

function measured(samples: readonly Partial<Sample>[]): Measured {
  const filled = samples.map((part) => ({ ...sample, ...part }));
  return { samples: filled, features: ['mrg_rxbuf'], guestPaths: ['a tx'], lostByGuests: 1, lostBySwitch: 2 };
}

function summaryOf(part: Partial<Summary>): Summary {
  return { ...summarize([measured([{}])]), ...part };
}

function row(ours: Partial<Summary>, peer: Partial<Summary> | null, id = 'split/64'): Row {
  const c = allCases.find((found) => found.id === id);
  assert.ok(c !== undefined);
  return rowOf(c, summaryOf(ours), peer === null ? null : summaryOf(peer));
}

function reportOf(rows: readonly Row[], peer: string | null = 'Open vSwitch 3.1.0', nic: Report['nic'] = []): Report {
  return {
    machine: { processor: 'A <CPU> & more', cpus: 2, memoryMb: 1024, kernel: '6.1', virtual: true },
    ...{ switchVersion: 'vhost-host 0', peer, peerReason: peer === null ? 'it is not there' : null },
    ...{ hugepages: true, hugepagesReason: null, switchCpu: 0, guestCpu: 1, rounds: 3, windows: 3, seconds: 1, rows },
    nic,
    latency: {
      idleUs: 2000,
      sleepsPerFrame: 1,
      busy: { frames: 500, medianUs: 2, p90Us: 3 },
      adaptive: { frames: 500, medianUs: 42, p90Us: 53 },
    },
    memory: { ports: 16, buffers: 1, guests: 2, files: 3, own: 4, beyondBuffers: 7 },
    micro: [{ threads: 1, title: 'gcc', columns: ['rings', 'bytes'], rows: [['split', '64']] }],
  };
}

describe('bench: figures', () => {
  it('finds medians and quantiles', () => {
    assert.equal(median([5, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(quantile([10, 20, 30, 40, 50], 0.25), 20);
    assert.ok(Number.isNaN(median([])));
  });

  it('counts clean windows only: rates in the middle, cycles low', () => {
    const clean = [100, 101, 102, 103, 104].map((cycles) => ({
      cyclesPerPacket: cycles,
      packetsPerSecond: cycles * 1e4,
    }));
    const summary = summarize([measured(clean), measured([{ foreign: 0.5, cyclesPerPacket: 1, packetsPerSecond: 1 }])]);
    assert.equal(summary.cyclesPerPacket, 101);
    assert.equal(summary.packetsPerSecond, 1.02e6);
    assert.deepEqual([summary.windows, summary.discarded, summary.disturbed], [5, 1, false]);
    assert.deepEqual([summary.lostByGuests, summary.lostBySwitch], [2, 4]);
  });

  it('makes do with the least disturbed where no window is clean, and says so', () => {
    const summary = summarize([
      measured([0.9, 0.2, 0.5, 0.6].map((foreign) => ({ foreign, cyclesPerPacket: foreign }))),
    ]);
    assert.deepEqual([summary.windows, summary.discarded, summary.disturbed], [1, 3, true]);
    assert.equal(summary.cyclesPerPacket, 0.2);
  });

  it('makes a sample of two moments, and none where a thread had no CPU', () => {
    const moment = (at: number, packets: number, ran: number): Moment => ({
      vswitch: { at, busyCycles: packets * 100, cycles: at * 1000, packets },
      guests: { at, packets, bytes: packets * 64 },
      activity: { threads: [{ at, ran }], stolen: [0] },
    });
    assert.deepEqual(sampleOf(moment(0, 0, 0), moment(1000, 5000, 1000)), {
      ...{
        packetsPerSecond: 5000,
        bitsPerSecond: 5000 * 64 * 8,
        cyclesPerPacket: 100,
        busy: 0.5,
        dropped: 0,
        foreign: 0,
      },
    });
    assert.equal(sampleOf(moment(0, 7, 0), moment(1000, 7, 100)), undefined);
    assert.throws(() => sampleOf(moment(0, 7, 0), moment(1000, 7, 1000)), /0 frames at the guests/);
  });

  it('sets ours against theirs, and says what limits a row', () => {
    const both = row({ packetsPerSecond: 3e6, cyclesPerPacket: 90 }, { packetsPerSecond: 1e6, cyclesPerPacket: 300 });
    assert.deepEqual(both.ratio, { throughput: 3, cycles: 0.3 });
    assert.equal(limitOf(both), "the guests' core; the switch's is idle 30 %");
    assert.equal(limitOf(row({ busy: 1 }, null)), 'work per frame: rings, checks, lookup');
    assert.equal(limitOf(row({ busy: 1 }, null, 'split/1500')), 'copying');
    assert.match(limitOf(row({ busy: 1 }, null, 'split/1500/csum')), /moving bytes/);
    assert.equal(limitOf(row({ disturbed: true }, null)), 'others on these CPUs');
    assert.equal(row({}, null).ratio, null);
  });
});

describe('bench: network side', () => {
  const [c] = nicCases;
  assert.ok(c !== undefined);
  const nic = [nicRowOf(c, summaryOf({ dropped: 0.25 }), summaryOf({ cyclesPerPacket: 180 }))];

  it('sets frames per core of ours against theirs', () => {
    assert.deepEqual(nic[0]?.ratio, { throughput: 1, perCore: 2 });
    assert.equal(nicRowOf(c, summaryOf({}), { error: 'none' }).ratio, null);
  });

  it('is shown and written beside the other rows', () => {
    const text = render(reportOf([], 'Open vSwitch 3.1.0', nic)).join('\n');
    assert.match(text, /^receive\/split\/64 +90 +180 +x 2\.00 .* 25\.0 % +0\.0 %/m);
    assert.match(document(reportOf([row({}, null)], null, nic)), /^## The network side$[^]*^\| receive\/split\/64 \|/m);
  });

  it('counts as dropped what went in and did not come out', () => {
    const at = (ms: number, packets: number, dropped: number): Moment => ({
      vswitch: { at: ms, busyCycles: packets * 100, cycles: packets * 100, packets, dropped },
      guests: { at: ms, packets, bytes: packets * 64 },
      activity: { threads: [{ at: ms, ran: ms }], stolen: [0] },
    });
    assert.equal(sampleOf(at(0, 0, 7), at(1000, 300, 107))?.dropped, 0.25);
  });
});

describe('bench: report', () => {
  const c = allCases.find(({ id }) => id === 'packed/9000');
  assert.ok(c !== undefined);
  const rows = [
    row({}, { cyclesPerPacket: 300 }),
    rowOf(c, { error: 'no frames came' }, null),
    row({ disturbed: true }, {}),
  ];

  it('shows every row, what failed, and that it was disturbed', () => {
    const text = render(reportOf(rows)).join('\n');
    assert.match(text, /^split\/64 +1\.00 +1\.00 +1\.00 +0\.5 +0\.5 +90 +300 +0\.30/m);
    assert.match(text, /^packed\/9000 +failed +–/m);
    assert.match(text, /failed: packed\/9000, ours: no frames came/);
    assert.match(text, /! no window of it was free of others/);
    assert.ok(failed(rows[1]?.ours ?? null));
  });

  it('says why there is nothing to compare with', () => {
    const text = render(reportOf([row({}, null)], null)).join('\n');
    assert.match(text, /OVS: not measured: it is not there/);
  });

  it('writes a document with all its parts', () => {
    const text = document(reportOf(rows));
    const titles = [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    assert.deepEqual(titles, [
      ...['Guest to guest', 'How it is measured', 'What limits each row', 'What was negotiated'],
      ...['Memory of the daemon', 'First frame after an idle time', 'Ring to ring', 'How to repeat it'],
    ]);
    assert.match(text, /!\[.+\]\(performance\.svg\)/);
    // Each table is set off by empty lines, else it would not be one.
    for (const [, before] of text.matchAll(/(.*)\n\|.*\|\n\|---/g)) assert.equal(before, '');
    for (const [, after] of text.matchAll(/^\|.*\|\n(?!\|)(.*)$/gm)) assert.equal(after, '');
  });

  it('draws well-formed bars that never leave their panel', () => {
    const svg = chart(reportOf(rows));
    assert.match(svg, /A &lt;CPU&gt; &amp; more/);
    const open = [...svg.matchAll(/<(svg|text|title)\b/g)].length;
    assert.equal([...svg.matchAll(/<\/(svg|text|title)>/g)].length, open);
    assert.match(svg, />split\/64 !<.*>failed</s);
    const bars = [...svg.matchAll(/<rect x="(\d+)" y="\d+" width="([\d.]+)" height="9"/g)];
    // Two rows with both switches, in two panels; the failed row has none.
    assert.equal(bars.length, 2 * 2 * 2);
    for (const [, , width] of bars) assert.ok(Number(width) <= 250);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  });
});
