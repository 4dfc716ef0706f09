import { strict as assert } from 'node:assert';
import { ContestedAddresses, contestedText, isDefaultMac } from '../../../../src/switch/ports/contested-addresses.js';

const MAC = '52:54:00:12:34:56';

describe('addresses that several guests have', () => {
  const moved = (port: number, n = 0) => ({ type: 'moved' as const, port, mac: MAC, vlan: n });

  it('are those that move to and fro, and no longer than they do', () => {
    const contested = new ContestedAddresses();
    for (const [at, port] of [1, 0, 1].entries()) contested.take(moved(port), at * 1000);
    assert.deepEqual(contested.now(2000), [{ mac: MAC, vlan: 0, ports: [0, 1] }]);
    assert.deepEqual(contested.now(59_999), [{ mac: MAC, vlan: 0, ports: [0, 1] }]);
    assert.deepEqual(contested.now(60_000), []);
  });

  it('are told once in a minute for as long', () => {
    const contested = new ContestedAddresses();
    let told = 0;
    for (let second = 0; second < 300; second++) {
      contested.take(moved(second % 2), second * 1000);
      told += contested.news(second * 1000).length;
    }
    assert.equal(told, 5);
  });

  it('a guest that is moved, moved back or wanders on is none', () => {
    const contested = new ContestedAddresses();
    contested.take(moved(1), 0);
    contested.take(moved(0), 10_000);
    assert.deepEqual(contested.now(10_000), []);
    // The same port again and again: its uplink told of it in between, which is no guest.
    for (let n = 0; n < 5; n++) contested.take(moved(3, 7), 20_000);
    assert.deepEqual(contested.now(20_000), []);
  });

  it('take a bounded room, whatever guests send', () => {
    const contested = new ContestedAddresses();
    for (let n = 0; n < 5000; n++) for (const port of [1, 0, 1]) contested.take(moved(port, n), 0);
    assert.equal(contested.now(0).length, 1024);
    assert.equal(contested.now(0).at(-1)?.vlan, 4999);
  });

  it('read as a sentence', () => {
    assert.equal(contestedText({ mac: MAC, vlan: 0, ports: ['a', 'b'] }), `${MAC} is the address of a and b`);
    assert.equal(contestedText({ mac: MAC, vlan: 9, ports: ['a', 'b'] }), `${MAC} in VLAN 9 is the address of a and b`);
    const own = ['52:54:00:12:34:56', '52:54:00:12:34:5f', '52:54:00:12:34:55', '52:54:00:12:34:60'];
    assert.deepEqual(own.map(isDefaultMac), [true, true, false, false]);
  });
});
