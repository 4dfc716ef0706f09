import { strict as assert } from 'node:assert';
import { portActions } from '../../../src/switch/config/port-diff.js';
import { allowedCpus, parseCpuList } from '../../../src/switch/model/cpulist.js';
import { featureNames } from '../../../src/switch/model/features.js';
import { editDistance, nearest } from '../../../src/common/suggest.js';

describe('actions from old ports to new', () => {
  it('leave what stays, remove before they add, replace what differs', () => {
    const old = [{ name: 'stay' }, { name: 'go' }, { name: 'change', queues: 1 }, { name: 'raise' }];
    const wanted = [
      { name: 'new', socket: '/s' },
      { name: 'change', queues: 2 },
      { name: 'stay', queues: 1, offloads: false },
      { name: 'raise', offloads: true },
    ];
    assert.deepEqual(portActions(old, wanted), [
      { kind: 'remove', name: 'go' },
      { kind: 'remove', name: 'change' },
      { kind: 'remove', name: 'raise' },
      { kind: 'add', port: { name: 'new', socket: '/s' } },
      { kind: 'add', port: { name: 'change', queues: 2 } },
      { kind: 'add', port: { name: 'raise', offloads: true } },
    ]);
  });

  it('are none where nothing changes', () => {
    assert.deepEqual(portActions([{ name: 'a' }], [{ name: 'a' }]), []);
    assert.deepEqual(portActions([], []), []);
  });
});

describe('CPU lists', () => {
  it('are read as the kernel writes them', () => {
    assert.deepEqual(parseCpuList('0,2-3'), { cpus: [0, 2, 3] });
    assert.deepEqual(parseCpuList(' 5 , 1 '), { cpus: [5, 1] });
  });

  const bad: [string, RegExp][] = [
    ['', /not a CPU list/],
    ['1,', /not a CPU list/],
    ['-1', /not a CPU list/],
    ['0x1', /not a CPU list/],
    ['3-1', /range 3-1 runs backwards/],
    ['1,0-2', /CPU 1 is named twice/],
    ['0-9999', /no CPU 9999/],
  ];
  for (const [text, reason] of bad) {
    it(`"${text}" is refused`, () => {
      const result = parseCpuList(text);
      assert.ok('reason' in result);
      assert.match(result.reason, reason);
    });
  }

  it('tell what a process may use', () => {
    assert.deepEqual(allowedCpus('Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems:\t1\n'), [0, 1]);
    assert.equal(allowedCpus('nothing'), undefined);
  });
});

describe('guessing what was meant', () => {
  it('counts the changes of single letters', () => {
    assert.equal(editDistance('worker', 'workers'), 1);
    assert.equal(editDistance('', 'abc'), 3);
    assert.equal(editDistance('kitten', 'sitting'), 3);
  });

  it('takes the nearest word, and none where none is near', () => {
    assert.equal(nearest('runDri', ['ports', 'runDir']), 'runDir');
    assert.equal(nearest('RUNDIR', ['ports', 'runDir']), 'runDir');
    assert.equal(nearest('something', ['ports', 'runDir']), undefined);
    assert.equal(nearest('x', []), undefined);
  });
});

describe('virtio features', () => {
  it('have names', () => {
    assert.deepEqual(featureNames((1n << 28n) | (1n << 34n) | (1n << 63n)), ['indirect_desc', 'packed_vq', 'bit_63']);
    assert.deepEqual(featureNames(0n), []);
  });
});
