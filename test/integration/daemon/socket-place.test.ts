import assert from 'node:assert/strict';
import { Child, runToEnd } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { buildFrontEnd, frontEndPath } from '../../helpers/frontend.js';
import { tempDir } from '../../helpers/paths.js';
import { withScope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

const deadline = 30_000;
/** An engine with a port in a file system of its own, and what is at the port's place after its end. */
const ENGINE = 'mount -t tmpfs none "$1"; "$0" 1 "$1/a"; code=$?; cat "$1/a"; exit $code';
/** Another file system over that one, where the same name and the same inode number are somebody else's file. */
const COVER = `
  inode=$(stat -c %i "$0/a"); mount -t tmpfs none "$0"
  for n in $(seq 1000); do
    echo theirs > "$0/$n"; [ "$(stat -c %i "$0/$n")" = "$inode" ] && exec mv "$0/$n" "$0/a"
  done
  exit 1`;

describe("the place of a port's socket", function () {
  this.timeout(120_000);
  const scope = freshScope();

  before(async function () {
    this.timeout(400_000);
    await withScope((building) => buildFrontEnd(building, 'engine_main_asan'));
  });

  it("is somebody else's by the end, on another file system with the same inode number: it stays", async () => {
    const dir = await tempDir(scope());
    const own = ['-m', '--propagation', 'private', 'bash', '-c', ENGINE, frontEndPath('engine_main_asan'), dir];
    const engine = await Child.start(scope(), 'the engine', 'unshare', own);
    await engine.waitFor(/^ready$/m, { deadline });
    const within = ['-t', String(engine.pid), '-m', 'bash', '-c', COVER, dir];
    const { code, stderr } = await runToEnd(scope(), 'nsenter', within);
    assert.equal(code, 0, stderr);
    engine.write('quit\n');
    await until(() => engine.end, { deadline, what: 'the end of the engine' });
    assert.deepEqual(engine.end, { code: 0, signal: null }, engine.output);
    assert.match(engine.stdout, /^theirs$/m, engine.output);
  });
});
