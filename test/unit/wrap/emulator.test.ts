import { equal } from 'node:assert/strict';
import { quickHost } from '../../../src/host/sync-host.js';
import { takesReconnectMs } from '../../../src/wrap/emulator.js';
import { wrapIn } from './support.js';

interface Shape {
  readonly rodata?: string;
  readonly name?: string;
  /** Of the file, in bytes: what is behind it is cut off. */
  readonly length?: number;
  readonly patch?: (header: Buffer) => void;
}

/** An ELF-64 with two sections: constants, and the names of both. */
function program({ rodata = '', name = '.rodata', length, patch }: Shape): Buffer {
  const constants = Buffer.from(rodata, 'latin1');
  const names = Buffer.from(`\0${name}\0.shstrtab\0`);
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  const table = Buffer.alloc(3 * 64);
  const section = (i: number, nameAt: number, offset: number, size: number): void => {
    table.writeUInt32LE(nameAt, i * 64);
    table.writeBigUInt64LE(BigInt(offset), i * 64 + 0x18);
    table.writeBigUInt64LE(BigInt(size), i * 64 + 0x20);
  };
  section(1, 1, 64, constants.length);
  section(2, name.length + 2, 64 + constants.length, names.length);
  header.writeBigUInt64LE(BigInt(64 + constants.length + names.length), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(3, 0x3c);
  header.writeUInt16LE(2, 0x3e);
  patch?.(header);
  return Buffer.concat([header, constants, names, table]).subarray(0, length);
}

const NEW = 'bus\0reconnect-ms\0reconnect\0';

describe('what a QEMU can do is known without starting it', () => {
  const cases: [string, Buffer | undefined, boolean][] = [
    ['one with the name', program({ rodata: NEW }), true],
    ['one whose constants begin otherwise', program({ rodata: 'x'.repeat(100_000) + NEW }), true],
    ['one without it', program({ rodata: 'bus\0reconnect\0' }), false],
    ['one that only speaks of it in its help', program({ rodata: '[,reconnect-ms=milliseconds]\0' }), false],
    ['one with the name as a part of another', program({ rodata: 'nbd-reconnect-ms\0reconnect-msx\0' }), false],
    ['one with the name elsewhere', program({ rodata: NEW, name: '.comment' }), false],
    ['a section whose name only begins so', program({ rodata: NEW, name: '.rodata1' }), false],
    ['a script', Buffer.from('#!/bin/sh\nexec qemu-system-x86_64 -enable-kvm "$@"\n'), false],
    ['an empty file', Buffer.alloc(0), false],
    ['no file', undefined, false],
    ['one that was cut off', program({ rodata: NEW, length: 150 }), false],
    ['one for 32 bits', program({ rodata: NEW, patch: (header) => header.writeUInt8(1, 4) }), false],
    ['one in big-endian order', program({ rodata: NEW, patch: (header) => header.writeUInt8(2, 5) }), false],
    [
      'a table beyond the end',
      program({ rodata: NEW, patch: (header) => header.writeBigUInt64LE(2n ** 63n, 0x28) }),
      false,
    ],
    ['names that are no section', program({ rodata: NEW, patch: (header) => header.writeUInt16LE(9, 0x3e) }), false],
    ['no sections', program({ rodata: NEW, patch: (header) => header.writeUInt16LE(0, 0x3c) }), false],
    ['entries of another size', program({ rodata: NEW, patch: (header) => header.writeUInt16LE(40, 0x3a) }), false],
  ];
  for (const [what, file, expected] of cases) {
    it(`${what}: ${expected ? 'milliseconds' : 'seconds'}`, async () => {
      const host = {
        readBytes: (_: string, range?: { offset: number; length: number }) =>
          Promise.resolve(file?.subarray(range?.offset, range && range.offset + range.length)),
      };
      equal(await takesReconnectMs(host, '/usr/bin/qemu'), expected);
    });
  }

  it('of a file that may not be read nothing is known, nor of a directory, nor of this Node', async () => {
    const readBytes = (): Promise<Buffer> => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }));
    equal(await takesReconnectMs({ readBytes }, '/usr/bin/qemu'), false);
    equal(await takesReconnectMs(quickHost, '/usr'), false);
    equal(await takesReconnectMs(quickHost, process.execPath), false);
  });
});

describe('after which time a guest looks for the switch again', () => {
  const CALL = '-netdev tap,id=h1,vhost=on -device virtio-net-pci,netdev=h1 -m 64'.split(' ');
  const said = (reconnect: number | undefined, reconnectMs: boolean): string | undefined => {
    const { args } = wrapIn(CALL, { reconnectMs, config: reconnect === undefined ? {} : { reconnect } });
    return /,(reconnect.*)$/.exec(args.find(({ text }) => text.startsWith('socket,'))?.text ?? '')?.[1];
  };
  const cases: [number | undefined, string | undefined, string | undefined][] = [
    [undefined, 'reconnect-ms=100', 'reconnect=1'],
    [0, undefined, undefined],
    [0.001, 'reconnect-ms=1', 'reconnect=1'],
    [1, 'reconnect-ms=1000', 'reconnect=1'],
    [1.005, 'reconnect-ms=1005', 'reconnect=2'],
    [3600, 'reconnect-ms=3600000', 'reconnect=3600'],
  ];
  for (const [seconds, ms, whole] of cases) {
    it(`${seconds ?? 'nothing'} in the configuration: ${ms ?? 'never'}, or ${whole ?? 'never'} of an older QEMU`, () => {
      equal(said(seconds, true), ms);
      equal(said(seconds, false), whole);
    });
  }

  it('a chardev that the caller has written is left as it is, by whichever name', () => {
    for (const key of ['reconnect=5', 'reconnect-ms=5']) {
      const own = ['-chardev', `socket,id=c9,path=/x,${key}`, ...CALL];
      for (const reconnectMs of [true, false]) {
        const { args } = wrapIn(own, { reconnectMs });
        equal(args.filter(({ text }) => text === own[1]).length, 1);
      }
    }
  });
});
