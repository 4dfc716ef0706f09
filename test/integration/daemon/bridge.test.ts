import { strict as assert } from 'node:assert';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import type { Bridge } from '../../../src/switch/ports/cuse-bridge.js';
import { makeBridge } from '../../../src/switch/ports/cuse-bridge.js';
import { bridgeProgram } from '../../../src/common/package.js';
import { bridgeSocketPath } from '../../../src/switch/run-dir/paths.js';
import { Child } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { tempDir } from '../../helpers/paths.js';
import { until } from '../../helpers/until.js';

const deadline = 20_000;
/** A file that nobody but its starter has any business with, as guests' memory is. */
const FOREIGN = '/etc/passwd';

/** What is told of it without any device; with devices: `npm run e2e:cuse`. */
describe('the process that keeps devices', () => {
  const scope = freshScope();

  async function start(dir: string): Promise<Child> {
    // As the switch starts it: it says that it listens on descriptor 3.
    const script = `exec 3>&1 9<${FOREIGN} 300<${FOREIGN}; exec "$0" "$1"`;
    const child = await Child.start(scope(), 'vh-cuse', 'bash', ['-c', script, bridgeProgram, bridgeSocketPath(dir)]);
    await child.waitFor(/^ready\n/, { deadline });
    return child;
  }

  /** What it says to a spec that makes no sense: nothing but itself can say that. */
  async function answer(bridge: Bridge): Promise<string> {
    const spec = { name: '../null', socket: '/none', mode: 0o600, uid: -1, gid: -1 };
    return bridge.add(spec).then(() => 'ok', String);
  }

  it('keeps nothing that its starter had open, answers, and takes its socket along', async () => {
    const dir = await tempDir(scope());
    const socket = bridgeSocketPath(dir);
    const child = await start(dir);
    const open = readdirSync(`/proc/${child.pid}/fd`).map((fd) => readlinkSync(`/proc/${child.pid}/fd/${fd}`));
    assert.ok(!open.includes(FOREIGN), open.join());
    const bridge = makeBridge(realHost, dir, '/bin/false');
    assert.deepEqual(await bridge.list(), []);
    await bridge.remove('usvhost-1');
    assert.equal(await answer(bridge), 'VhostHostError: the cuse bridge: not understood');
    await bridge.retire();
    assert.equal((await child.ended).code, 0);
    assert.ok(!existsSync(socket));
  });

  for (const [what, lose] of [
    ['removed', unlink],
    ['moved away', (socket: string): Promise<void> => rename(socket, `${socket}.aside`)],
    ['removed with its directory', (socket: string): Promise<void> => rm(dirname(socket), { recursive: true })],
  ] as const)
    it(`is found again by a switch when its socket was ${what}, and no second one is started`, async () => {
      const dir = join(await tempDir(scope()), 'run');
      await mkdir(dir);
      const child = await start(dir);
      // A second one would end without a word.
      const bridge = makeBridge(realHost, dir, '/bin/false');
      await bridge.list();
      await lose(bridgeSocketPath(dir));
      await mkdir(dir, { recursive: true });
      assert.match(await answer(bridge), /not understood$/);
      await bridge.retire();
      assert.equal((await child.ended).code, 0);
      assert.ok(!existsSync(bridgeSocketPath(dir)));
    });

  it('leaves alone what somebody else has put in the place of its socket, and has the place when that is free', async () => {
    const dir = await tempDir(scope());
    const socket = bridgeSocketPath(dir);
    const child = await start(dir);
    const bridge = makeBridge(realHost, dir, '/bin/false');
    await writeFile(`${socket}.new`, 'theirs');
    await rename(`${socket}.new`, socket);
    assert.match(await answer(bridge), /ended while starting/);
    assert.equal(readFileSync(socket, 'utf8'), 'theirs');
    await unlink(socket);
    await until(async () => (await answer(bridge)).endsWith('not understood'), { deadline, what: 'its answer' });
    await rename(socket, `${socket}.aside`);
    await writeFile(socket, 'theirs');
    child.signal('SIGTERM');
    assert.equal((await child.ended).code, 0);
    assert.equal(readFileSync(socket, 'utf8'), 'theirs');
  });
});
