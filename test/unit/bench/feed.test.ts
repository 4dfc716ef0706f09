import assert from 'node:assert/strict';
import { allCases, buffersPerFrame, framesPerDirection, ringSize } from '../../bench/cases.js';
import type { Case } from '../../bench/cases.js';
import { checkReturned, checksum, framesFrom, makeFrame, udpChecksumOf } from '../../bench/feed.js';

function caseOf(id: string): Case {
  const found = allCases.find((c) => c.id === id);
  assert.ok(found !== undefined, id);
  return found;
}

describe('bench: the frames that circle', () => {
  it('computes the Internet checksum as RFC 1071 shows it', () => {
    assert.equal(checksum(Buffer.from('0001f203f4f5f6f7', 'hex')), 0x220d);
    assert.equal(checksum(Buffer.from('00', 'hex')), 0xffff);
  });

  it('has valid IP headers and a UDP checksum that is there but wrong', () => {
    const frame = makeFrame(1, 5, 1500);
    assert.equal(frame.length, 1500);
    assert.equal(checksum(frame.subarray(14, 34)), 0);
    assert.notEqual(frame.readUInt16BE(40), 0);
    assert.notEqual(frame.readUInt16BE(40), udpChecksumOf(frame));
    frame.writeUInt16BE(udpChecksumOf(frame), 40);
    // With a right checksum the sum over pseudo header and segment is 0.
    let pseudo = 17 + frame.length - 34;
    for (let at = 26; at < 34; at += 2) pseudo += frame.readUInt16BE(at);
    assert.equal(checksum(frame.subarray(34), pseudo), 0);
  });

  it('mixes IMIX as 7 to 4 to 1', () => {
    const frames = framesFrom(0, caseOf('split/imix')).slice(0, 120);
    const count = (length: number): number => frames.filter((frame) => frame.length === length).length;
    assert.deepEqual([count(64), count(594), count(1518)], [70, 40, 10]);
  });

  it('never puts in more than the rings of a direction hold', () => {
    for (const c of allCases) assert.ok(framesPerDirection(c) * buffersPerFrame(c) <= ringSize / 2, c.id);
    assert.equal(buffersPerFrame(caseOf('split/9000')), 5);
    assert.ok(allCases.every((c) => buffersPerFrame(c) === 1 || c.rings.mergeable));
    assert.equal(new Set(allCases.map(({ id }) => id)).size, allCases.length);
  });

  it('accepts what went in, with other MAC addresses', () => {
    const c = caseOf('packed/imix');
    const frames = [...framesFrom(0, c), ...framesFrom(1, c)];
    for (const frame of frames) frame.fill(0xee, 0, 12);
    checkReturned(frames, c);
  });

  it('finds a frame that is damaged, cut, foreign or there twice', () => {
    const c = caseOf('split/1500');
    const frames = framesFrom(0, c);
    const [first = Buffer.alloc(0)] = frames;
    const damaged = Buffer.from(first);
    damaged[700] = (damaged[700] ?? 0) ^ 1;
    assert.throws(() => checkReturned([damaged], c), /frame 0 came back with another payload/);
    assert.throws(() => checkReturned([first.subarray(0, 1499)], c), /1499 bytes instead of 1500/);
    assert.throws(() => checkReturned([makeFrame(0, 5000, 1500)], c), /never sent/);
    assert.throws(() => checkReturned([first, first], c), /frame 0 came back twice/);
    assert.throws(() => checkReturned([Buffer.alloc(20)], c), /a frame of 20 bytes/);
  });

  it('demands a right checksum where the guests compute it', () => {
    const c = caseOf('split/64/csum');
    const frames = framesFrom(0, c);
    assert.throws(() => checkReturned(frames, c), /came back with UDP checksum/);
    for (const frame of frames) frame.writeUInt16BE(udpChecksumOf(frame), 40);
    checkReturned(frames, c);
  });
});
