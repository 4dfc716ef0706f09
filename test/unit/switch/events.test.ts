import { strict as assert } from 'node:assert';
import { EventSink, eventLine } from '../../../src/switch/events.js';
import type { EngineEvent } from '../../../src/switch/surface.js';
import { FakeClock, withDaemon } from './support.js';

describe('events in the log', () => {
  it("learning writes the original's line, with nothing before it", () =>
    withDaemon(
      ({ binding, log }) => {
        binding.emit({ type: 'learned', port: 0, mac: 'cc:bb:bb:bb:bb:bb', vlan: 1000 });
        assert.equal(log.at(-1), 'DATA: (0) MAC_ADDRESS cc:bb:bb:bb:bb:bb and VLAN_TAG 1000 registered');
        return Promise.resolve();
      },
      { ports: [{ name: 'a' }] },
    ));

  it('everything else is a line with the time, and names the port', () =>
    withDaemon(
      ({ binding, log }) => {
        binding.connect('a');
        assert.match(log.at(-1) ?? '', /^\d{4}-\d\d-\d\dT[\d:.]+Z port a \(0\): front end connected$/);
        binding.emit({ type: 'ready', port: 5 });
        assert.match(log.at(-1) ?? '', /Z port 5: guest's driver is up$/);
        return Promise.resolve();
      },
      { ports: [{ name: 'a' }] },
    ));

  const lines: [EngineEvent, string][] = [
    [{ type: 'moved', port: 1, mac: 'm', vlan: 1001 }, 'm (VLAN tag 1001) moved to <1>'],
    [{ type: 'disconnected', port: 1 }, '<1>: front end disconnected'],
    [{ type: 'stopped', port: 1 }, "<1>: guest's driver stopped"],
    [{ type: 'refused', port: 1, text: 'a\nb\u001b[2J' }, '<1>: refused: a b\\x1b[2J'],
    [{ type: 'log', level: 3, text: 'EAL: x\n' }, 'EAL: x'],
    [{ type: 'lost', count: 7 }, '7 events were lost'],
  ];
  for (const [event, text] of lines) {
    it(`${event.type} reads "${text}"`, () => {
      assert.deepEqual(
        eventLine(event, (id) => `<${id}>`),
        { text, verbatim: false },
      );
    });
  }

  it('a guest cannot fill the disk with them: their rate is bounded, and the rest counted', () => {
    const clock = new FakeClock();
    const written: string[] = [];
    const ports = { byId: () => undefined, setConnected: () => undefined };
    const sink = new EventSink({
      ports,
      uplinks: { byId: () => undefined },
      clock,
      write: ({ text }) => written.push(text),
    });
    const flood = Array.from({ length: 5000 }, () => ({ type: 'ready' as const, port: 0 }));
    sink.take(flood);
    assert.equal(written.length, 2000);
    sink.tick();
    assert.equal(written.at(-1), '3000 lines about events left out: too many at once');
    sink.tick();
    assert.equal(written.length, 2001);
    clock.advance(10);
    sink.take(flood);
    assert.equal(written.length, 2001 + 200);
  });

  it('events that are not written still count', () => {
    const seen: [number, boolean][] = [];
    const ports = { byId: () => undefined, setConnected: (id: number, on: boolean) => void seen.push([id, on]) };
    const sink = new EventSink({
      ports,
      uplinks: { byId: () => undefined },
      clock: new FakeClock(),
      write: () => undefined,
    });
    sink.take(Array.from({ length: 3000 }, () => ({ type: 'ready' as const, port: 0 })));
    sink.take([
      { type: 'connected', port: 3 },
      { type: 'disconnected', port: 4 },
      { type: 'lost', count: 2 },
    ]);
    assert.deepEqual(seen, [
      [3, true],
      [4, false],
    ]);
    assert.equal(sink.lost, 2);
  });
});
