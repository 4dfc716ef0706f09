import { strict as assert } from 'node:assert';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { realHost } from '../../src/host.js';
import { makeBridge } from '../../src/switch/bridge.js';
import { bridgeProgram } from '../../src/switch/package.js';
import { bridgeSocketPath } from '../../src/switch/rundir.js';
import { Child } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { tempDir } from '../helpers/paths.js';

const deadline = 20_000;
/** A file that nobody but its starter has any business with, as guests' memory is. */
const FOREIGN = '/etc/passwd';

/** What is told of it without any device; with devices: `npm run e2e:cuse`. */
describe('the process that keeps devices', () => {
  const scope = freshScope();

  it('keeps nothing that its starter had open, answers, and takes its socket along', async () => {
    const dir = await tempDir(scope());
    const socket = bridgeSocketPath(dir);
    // As the switch starts it: it says that it listens on descriptor 3.
    const script = `exec 3>&1 9<${FOREIGN} 300<${FOREIGN}; exec "$0" "$1"`;
    const child = await Child.start(scope(), 'vh-cuse', 'bash', ['-c', script, bridgeProgram, socket]);
    await child.waitFor(/^ready\n/, { deadline });
    const open = readdirSync(`/proc/${child.pid}/fd`).map((fd) => readlinkSync(`/proc/${child.pid}/fd/${fd}`));
    assert.ok(!open.includes(FOREIGN), open.join());
    const bridge = makeBridge(realHost, dir, '/bin/false');
    assert.deepEqual(await bridge.list(), []);
    await bridge.remove('usvhost-1');
    await assert.rejects(
      bridge.add({ name: '../null', socket, mode: 0o600, uid: -1, gid: -1 }),
      /^VhostHostError: the cuse bridge: not understood$/,
    );
    await bridge.retire();
    assert.equal((await child.ended).code, 0);
    assert.ok(!existsSync(socket));
  });
});
