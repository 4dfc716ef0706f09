import { strict as assert } from 'node:assert';
import { existsSync, readdirSync } from 'node:fs';
import { until } from '../helpers/until.js';
import { cuseDevices, freePages, pidsOf, stuck } from './processes.js';
import { DEVICE, SLOW, scene } from './scene.js';

describe('the end of guests on devices', function () {
  this.timeout(2 * SLOW);
  const pages = freePages();

  it('leaves nothing behind when it is killed', async () => {
    await scene.asking.process.kill();
    for (const name of ['asking-hostnet1', 'arriving-hostnet1']) await scene.free(name);
    assert.equal(scene.asking.process.stderr.includes('falling back'), false);
    await scene.answering.process.stop();
    await until(() => freePages() === pages, { deadline: SLOW, what: 'the hugepages to be back' });
    assert.deepEqual(pidsOf('qemu-system-x86_64'), []);
    await until(() => stuck().length === 0, { deadline: SLOW, what: `the end of ${stuck().join(', ')}` });
  });

  it('its device goes with the switch', async () => {
    assert.ok(existsSync(DEVICE));
    scene.vswitch.process?.signal('SIGTERM');
    await until(() => scene.vswitch.process?.end, { deadline: SLOW, what: 'the end of the switch' });
    await until(() => pidsOf('vh-cuse').length === 0, { deadline: SLOW, what: 'the end of the supervisor' });
    assert.deepEqual(cuseDevices(), []);
    assert.deepEqual(
      readdirSync('/dev').filter((name) => name.startsWith('usvhost')),
      [],
    );
    assert.deepEqual(pidsOf('vh-cuse-bridge'), []);
    assert.deepEqual(readdirSync(`${scene.dir}/run`), ['switch.log']);
  });
});
