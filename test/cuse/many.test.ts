import { strict as assert } from 'node:assert';
import { lstatSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { realHost } from '../../src/host/node-host.js';
import { makeBridge } from '../../src/switch/ports/cuse-bridge.js';
import type { Bridge } from '../../src/switch/ports/cuse-bridge.js';
import { bridgeProgram } from '../../src/common/package.js';
import { bridgeSocketPath, logPath } from '../../src/switch/run-dir/paths.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { tempDir } from '../helpers/paths.js';
import { until } from '../helpers/until.js';
import { cuseDevices, pidsOf } from './processes.js';

const SLOW = 240_000;
/** VH_CUSE_DEVICES of shared_state.h; the kernel gives out some 140 major numbers. */
const MOST = 256;

describe('as many devices as there can be ports', function () {
  this.timeout(2 * SLOW);
  const scope = freshScope();

  it('are made, with one major number for all, and go again', async () => {
    const dir = await tempDir(scope());
    await writeFile(logPath(dir), '');
    const bridge: Bridge = makeBridge(realHost, dir, bridgeProgram);
    const add = (n: number): Promise<void> =>
      bridge.add({ name: `many-${n}`, socket: `${dir}/${n}`, mode: 0o600, uid: -1, gid: -1 });
    scope().defer('the devices', () => bridge.retire());
    for (let n = 1; n <= MOST; n++) await add(n);
    const numbers = Array.from({ length: MOST }, (_, i) => lstatSync(`/dev/many-${i + 1}`).rdev);
    assert.equal(new Set(numbers).size, MOST);
    // Of a number up to 2^16 the upper byte, as glibc and Node make it.
    assert.equal(new Set(numbers.map((number) => (number >> 8) & 0xfff)).size, 1);
    await assert.rejects(add(MOST + 1), /\/dev\/many-257: there are 256 devices already, and there can be no more$/);
    await bridge.remove('many-1');
    await add(MOST + 1);
    await bridge.retire();
    const left = (): boolean => cuseDevices().some((name) => name.startsWith('many-'));
    await until(() => !left() && pidsOf('vh-cuse').length === 0, { deadline: SLOW, what: 'all to be gone' });
    assert.equal(await realHost.stat(bridgeSocketPath(dir)), undefined);
  });
});
