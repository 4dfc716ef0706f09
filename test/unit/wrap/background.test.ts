import { deepEqual } from 'node:assert/strict';
import { DEFAULTS } from '../../../src/wrap/config/keys.js';
import { survey } from '../../../src/wrap/rewrite.js';

describe('a QEMU that goes to the background', () => {
  it('is claimed for as one whose child connects', () => {
    const args = ['-name', 'vm1', '-netdev', 'tap,id=h1,vhost=on', '-device', 'virtio-net-pci,netdev=h1'];
    const call = { files: new Map<string, string>(), emulator: '/usr/bin/qemu', processor: 'x64', config: DEFAULTS };
    const forks = (more: readonly string[]): unknown[] =>
      survey({ ...call, args: [...args, ...more] }).claims.map((claim) => claim.forks);
    deepEqual(forks([]), [undefined]);
    deepEqual(forks(['-daemonize']), [true]);
    deepEqual(forks(['--daemonize']), [true]);
  });
});
