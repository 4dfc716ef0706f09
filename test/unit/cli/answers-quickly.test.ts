import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { bin, root, tempDir } from '../../helpers/paths.js';

const DEADLINE_MS = 60_000;
/**
 * Bytes of the bundle, read and compiled, that an answer may wait for: what decides how long it takes, and the same on
 * a machine that has much else to do (`npm run bench -- --cli` has the time itself). All of it is ten times as much.
 */
const MOST_BYTES = 300_000;

/** How V8's own record of a process, which Node writes where it is asked to, names what was loaded. */
interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

describe('vhost-host answers quickly', function () {
  this.timeout(2 * DEADLINE_MS);
  const scope = freshScope();

  /** Files of the bundle that a call loads. */
  async function loadedBy(...args: string[]): Promise<{ code: number | null; files: string[] }> {
    const dir = await tempDir(scope());
    const env = { NODE_V8_COVERAGE: join(dir, 'seen'), VHOST_HOST_RUN_DIR: join(dir, 'run') };
    const { code } = await runToEnd(scope(), bin.vhostHost, args, { env, deadline: DEADLINE_MS });
    const [name = '', ...more] = readdirSync(env.NODE_V8_COVERAGE);
    assert.deepEqual(more, [], 'more than one process');
    const { result } = JSON.parse(readFileSync(join(env.NODE_V8_COVERAGE, name), 'utf8')) as Coverage;
    const files = result
      .filter(({ url }) => url.startsWith('file:'))
      .map(({ url }) => fileURLToPath(url))
      .filter((path) => path.startsWith(`${root}build/bundle/`));
    assert.ok(files.some((path) => basename(path) === 'main.js'));
    return { code, files };
  }

  const bytesOf = (files: readonly string[]): number => files.reduce((sum, path) => sum + statSync(path).size, 0);

  it('what asks the switch loads a small part of the program', async () => {
    for (const [args, code] of [
      [['--version'], 0],
      // There is no switch: what an answer is read with is loaded all the same.
      [['status'], 1],
      [['ports', '--json'], 1],
      [['uplinks', 'add', '--help'], 0],
    ] as const) {
      const loaded = await loadedBy(...args);
      assert.equal(loaded.code, code, args.join(' '));
      const bytes = bytesOf(loaded.files);
      assert.ok(
        bytes <= MOST_BYTES,
        `${args.join(' ')}: ${bytes} bytes, ${loaded.files.map((p) => basename(p)).join(' ')}`,
      );
    }
  });

  it('the rest is there where it is needed: for other commands, the whole help and a misspelt word', async () => {
    for (const [args, code] of [
      [['setup', '--help'], 0],
      [['--help'], 0],
      [['chek'], 2],
    ] as const) {
      const loaded = await loadedBy(...args);
      assert.equal(loaded.code, code, args.join(' '));
      assert.ok(bytesOf(loaded.files) > MOST_BYTES, args.join(' '));
    }
  });
});
