import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runToEnd } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { root, tempDir } from '../helpers/paths.js';

const DEADLINE_MS = 900_000;

describe("npm's package", function () {
  this.timeout(DEADLINE_MS);
  const scope = freshScope();

  async function npm(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const done = await runToEnd(scope(), 'npm', [...args, '--no-audit', '--no-fund', '--no-update-notifier'], {
      deadline: DEADLINE_MS,
    });
    assert.equal(done.code, 0, done.stderr);
    return done;
  }

  it('brings no package along, takes the prebuilt addon where it loads, and compiles where it does not', async () => {
    const dir = await tempDir(scope());
    const { stdout } = await npm('pack', root, '--pack-destination', dir);
    const archive = join(dir, stdout.trim().split('\n').at(-1) ?? '');
    const home = join(dir, 'here');
    const install = ['install', '--prefix', home, '--offline', '--foreground-scripts', archive];
    const first = await npm(...install);
    assert.match(first.stdout, /added 1 package/);
    assert.doesNotMatch(first.stdout + first.stderr, /compiling/);
    await use(home);
    const addon = join(home, 'node_modules/vhost-host/build/prebuilds/linux-x64/vhost_host.glibc.node');
    await writeFile(addon, 'for another system');
    const again = await npm('rebuild', '--prefix', home, '--foreground-scripts', 'vhost-host');
    assert.match(again.stderr, /the prebuilt addon is not used \(.*(?:too short|invalid ELF).*\); compiling/);
    await use(home);
  });

  async function use(home: string): Promise<void> {
    const env = { VHOST_HOST_RUN_DIR: join(home, 'run') };
    const call = async (...args: string[]): Promise<string> => {
      const done = await runToEnd(scope(), join(home, 'node_modules/.bin/vhost-host'), args, { env });
      assert.equal(done.code, 0, done.stderr);
      return done.stdout;
    };
    await call('start');
    try {
      assert.match(await call('status'), /^version +\S+ with DPDK/m);
    } finally {
      await call('stop');
    }
  }
});
