import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { dropLines } from '../../../src/cli/switch/drops.js';
import { dropsOf } from '../../../src/switch/api/drops.js';
import { DROP_REASONS } from '../../../src/switch/model/drop-reasons.js';
import type { StatsList } from '../../../src/switch/model/schema.js';
import { root } from '../../helpers/paths.js';
import { mistakeIn } from '../cli/flags.js';

const zero = { txPackets: 0, txBytes: 0, rxPackets: 0, rxBytes: 0, interrupts: 0, interruptsApart: 0, unlearned: 0 };
const device = { rxMissed: 0, rxErrors: 0, rxNoBuffer: 0, txErrors: 0 };
const STATS: StatsList = {
  ports: [
    { id: 0, name: 'a', counters: { ...zero, drops: { rx_ring_full: 1500, tx_runt: 0 } } },
    { id: 1, name: 'b', counters: { ...zero, drops: { rx_ring_full: 3, tx_runt: 0 } } },
  ],
  uplinks: [{ id: 256, name: 'net', counters: { ...zero, drops: { tx_unknown_unicast: 4 } }, device }],
};

describe('drop reasons', () => {
  it('are the same in the data path and in the table, in one order', async () => {
    const header = await readFile(`${root}native/base/defs.h`, 'utf8');
    const list = /^#define VH_DROP_REASONS\(X\)((?:.*\\\n)*.*)$/m.exec(header)?.[1] ?? '';
    const entries = [...list.matchAll(/X\((\w+), "(\w+)"\)/g)];
    assert.ok(entries.length >= 20);
    assert.equal(entries.length, [...list.matchAll(/\bX\(/g)].length);
    for (const [, id = '', name = ''] of entries) assert.equal(name, id.toLowerCase());
    assert.deepEqual(
      DROP_REASONS.map(({ name }) => name),
      entries.map(([, , name]) => name),
    );
  });

  it('all have both texts, whose commands are commands of ours', () => {
    for (const { name, meaning, fix } of DROP_REASONS) {
      assert.match(meaning, /^(is|has|asks|belongs|was|came|does) .*[^.]$/, name);
      assert.match(fix, /^[A-Z].*\.$/s, name);
      for (const [call, words = '', flag] of fix.matchAll(/\bvhost-host ((?:[a-z]+ ?)+)(--[a-z-]+)?/g)) {
        const path = words.trim().split(' ');
        // A group stands for its list; without a flag, what follows the command is prose.
        const ways = flag === undefined ? [path.slice(0, 1), [...path.slice(0, 1), 'list']] : [[...path, flag]];
        assert.ok(
          ways.some((way) => mistakeIn(way) === undefined),
          `${name}: ${call}`,
        );
      }
    }
    const texts = DROP_REASONS.map(({ meaning }) => meaning);
    assert.equal(new Set(texts).size, texts.length);
  });

  it('are added up over ports and uplinks, the ones that never happened with 0', () => {
    const { drops } = dropsOf(STATS);
    assert.equal(drops.length, DROP_REASONS.length);
    const found = drops.filter(({ frames }) => frames > 0);
    assert.deepEqual(
      found.map(({ reason, frames, ports }) => [reason, frames, ports.map(({ name }) => name)]),
      [
        ['tx_unknown_unicast', 4, ['net']],
        ['rx_ring_full', 1503, ['a', 'b']],
      ],
    );
  });

  it('are shown with what they mean and what to do: those that happened, or all', () => {
    const lines = dropLines(dropsOf(STATS), false);
    assert.deepEqual(lines.slice(0, 5), [
      'REASON              FRAMES  AT',
      'tx_unknown_unicast       4  net 4',
      'rx_ring_full         1,503  a 1,500, b 3',
      '',
      'tx_unknown_unicast: the frame came by an uplink and is for an address that no guest is known to have',
    ]);
    assert.match(lines[5] ?? '', /^ {2}fix: Normal in a network that floods\. .*--unknown-unicast flood\.$/);
    assert.equal(lines.length, 9);
    assert.equal(dropLines(dropsOf(STATS), true).length, 1 + 4 * DROP_REASONS.length);
    assert.deepEqual(dropLines(dropsOf({ ports: [], uplinks: [] }), false), ['no frame was dropped']);
  });
});
