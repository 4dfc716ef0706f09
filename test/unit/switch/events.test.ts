import { strict as assert } from 'node:assert';
import { EventSink, eventLine } from '../../../src/switch/events.js';
import { Repeats } from '../../../src/switch/log/repeat-limit.js';
import type { EngineEvent } from '../../../src/switch/addon/native.js';
import { FakeClock, withDaemon } from './support.js';

function bench(): { clock: FakeClock; sink: EventSink; repeats: Repeats; written: string[] } {
  const clock = new FakeClock();
  const written: string[] = [];
  const repeats = new Repeats(clock, ({ text }) => void written.push(text));
  const ports = { byId: () => undefined, setConnected: () => undefined };
  return {
    clock,
    written,
    repeats,
    sink: new EventSink({ ports, uplinks: { byId: () => undefined }, repeats, clock }),
  };
}

describe('events in the log', () => {
  it("learning writes DPDK's vhost example's line, with nothing before it", () =>
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
    [{ type: 'rejected', port: 1, text: 'a\nb\u001b[2J' }, '<1>: rejected: a b\\x1b[2J'],
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

  const floods: [string, (n: number) => EngineEvent][] = [
    ['addresses that move', (n) => ({ type: 'moved', port: n % 2, mac: `02:00:00:00:00:${n % 60}`, vlan: 0 })],
    ['addresses without end', (n) => ({ type: 'learned', port: 0, mac: `02:00:00:${n}`, vlan: 0 })],
    ['front ends that come and go', (n) => ({ type: n % 2 === 0 ? 'connected' : 'disconnected', port: 3 })],
    ['messages that are refused', (n) => ({ type: 'rejected', port: n % 40, text: `ring ${n} has no room` })],
    ["DPDK's own words", (n) => ({ type: 'log', level: 4, text: `VHOST_CONFIG: (/s) fd ${n}: kind ${n % 9}` })],
  ];
  for (const [what, make] of floods) {
    it(`cost less than 100 bytes a second in the long run: ${what}`, () => {
      const { clock, sink, repeats, written } = bench();
      let bytes = 0;
      for (let second = 0; second < 4000; second++) {
        // What came at once at the beginning is over by now.
        if (second === 2000) bytes = written.length;
        sink.take(Array.from({ length: 40 }, (_, n) => make(second * 40 + n)));
        clock.advance(1);
        repeats.tick();
      }
      const late = written.slice(bytes);
      assert.ok(late.join('\n').length / 2000 < 100, `${late.join('\n').length / 2000} bytes a second`);
      assert.ok(
        late.some((line) => / \(and [\d,]+ more in \d+ s\)$/.test(line)),
        'a summary',
      );
    });
  }

  it('are summed up per kind and port, none is lost, and what is rare is still written', () => {
    const { clock, sink, repeats, written } = bench();
    sink.take(Array.from({ length: 1240 }, () => ({ type: 'ready' as const, port: 0 })));
    sink.take([{ type: 'ready', port: 1 }]);
    assert.equal(written.length, 41);
    assert.equal(written.at(-1), "port 1: guest's driver is up");
    clock.advance(59);
    repeats.tick();
    assert.equal(written.length, 41);
    clock.advance(1);
    repeats.tick();
    assert.equal(written.at(-1), "port 0: guest's driver is up (and 1,200 more in 60 s)");
    sink.take(Array.from({ length: 4 }, () => ({ type: 'ready' as const, port: 0 })));
    repeats.flush();
    assert.match(written.at(-1) ?? '', /is up \(and 1 more in 1 s\)$/);
  });

  it('events that are not written still count', () => {
    const seen: [number, boolean][] = [];
    const ports = { byId: () => undefined, setConnected: (id: number, on: boolean) => void seen.push([id, on]) };
    const sink = new EventSink({
      ports,
      uplinks: { byId: () => undefined },
      repeats: new Repeats(new FakeClock(), () => undefined),
      clock: new FakeClock(),
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
