import assert from 'node:assert/strict';
import type { NativePort } from '../../../../src/switch/addon/native.js';
import { CounterWatch } from '../../../../src/switch/ports/counter-watch.js';

function ports(...unlearned: readonly bigint[]): NativePort[] {
  return unlearned.map((count, id) => ({ id, counters: { unlearned: count } }) as unknown as NativePort);
}

describe('addresses that were not learned', () => {
  it('are told once a minute for each port, with how often since', () => {
    const watch = new CounterWatch('unlearned');
    assert.deepEqual(watch.look(ports(0n, 0n), 0), []);
    assert.deepEqual(watch.look(ports(5n, 0n), 1000), [{ id: 0, times: 5n }]);
    assert.deepEqual(watch.look(ports(9n, 0n), 60_999), []);
    assert.deepEqual(watch.look(ports(9n, 3n), 60_999), [{ id: 1, times: 3n }]);
    assert.deepEqual(watch.look(ports(9n, 3n), 61_000), [{ id: 0, times: 4n }]);
    assert.deepEqual(watch.look(ports(9n, 3n), 1_000_000), []);
  });

  it('of a port that was made anew count from the start', () => {
    const watch = new CounterWatch('unlearned');
    assert.deepEqual(watch.look(ports(7n), 0), [{ id: 0, times: 7n }]);
    assert.deepEqual(watch.look([], 1000), []);
    assert.deepEqual(watch.look(ports(2n), 2000), [{ id: 0, times: 2n }]);
    assert.deepEqual(watch.look(ports(1n), 90_000), [{ id: 0, times: 1n }]);
  });

  it('are told apart from interrupts of the thread for those', () => {
    const watch = new CounterWatch('interruptsApart');
    const counted = (interruptsApart: bigint): NativePort[] => [
      { id: 4, counters: { unlearned: 9n, interruptsApart } } as unknown as NativePort,
    ];
    assert.deepEqual(watch.look(counted(0n), 0), []);
    assert.deepEqual(watch.look(counted(8n), 10), [{ id: 4, times: 8n }]);
    assert.deepEqual(watch.look(counted(9n), 20), []);
  });
});
