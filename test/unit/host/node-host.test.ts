import { strict as assert } from 'node:assert';
import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import { until } from '../../helpers/until.js';
import { failure, withDir } from '../switch/support.js';
import { isMissing } from '../../../src/host/stat.js';

const node = process.execPath;

describe('the host: files', () => {
  it('what is missing is undefined, other failures are errors', () =>
    withDir(async (dir) => {
      const missing = join(dir, 'missing');
      assert.equal(await realHost.readOptional(missing), undefined);
      assert.equal(await realHost.stat(missing), undefined);
      assert.equal(await realHost.lstat(missing), undefined);
      assert.equal(await realHost.realpath(missing), undefined);
      assert.deepEqual(await realHost.list(missing), []);
      await realHost.unlink(missing);
      await assert.rejects(realHost.read(missing), { code: 'ENOENT' });
      await assert.rejects(realHost.readOptional(dir), { code: 'EISDIR' });
    }));

  it('a file of a process that has just ended counts as missing', () => {
    assert.ok(isMissing(Object.assign(new Error('read'), { code: 'ESRCH' })));
    assert.ok(!isMissing(Object.assign(new Error('read'), { code: 'EACCES' })));
  });

  it('tells kinds apart, and a link from where it leads', () =>
    withDir(async (dir) => {
      await writeFile(join(dir, 'file'), 'four');
      await symlink('file', join(dir, 'link'));
      const server = createServer().listen(join(dir, 'socket'));
      const kind = async (name: string): Promise<string | undefined> => (await realHost.lstat(join(dir, name)))?.kind;
      assert.deepEqual(
        [await kind('.'), await kind('file'), await kind('link'), await kind('socket')],
        ['directory', 'file', 'symlink', 'socket'],
      );
      assert.equal((await realHost.stat(join(dir, 'link')))?.size, 4);
      assert.equal((await realHost.stat('/dev/null'))?.kind, 'character');
      await new Promise((resolve) => server.close(resolve));
    }));

  it('writes a file as a whole, with its mode', () =>
    withDir(async (dir) => {
      await realHost.write(join(dir, 'f'), 'text', 0o600);
      assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'text');
      assert.equal((await stat(join(dir, 'f'))).mode & 0o777, 0o600);
      assert.deepEqual(await realHost.list(dir), ['f']);
    }));

  it('a file that is replaced keeps mode and link', () =>
    withDir(async (dir) => {
      await realHost.write(join(dir, 'f'), 'one', 0o640);
      await symlink('f', join(dir, 'link'));
      await realHost.write(join(dir, 'link'), 'two');
      assert.deepEqual(await realHost.list(dir), ['f', 'link']);
      assert.equal(await readFile(join(dir, 'f'), 'utf8'), 'two');
      assert.equal((await stat(join(dir, 'f'))).mode & 0o777, 0o640);
    }));

  it('a write that fails leaves nothing behind', () =>
    withDir(async (dir) => {
      await realHost.mkdir(join(dir, 'f'), 0o755);
      await assert.rejects(realHost.write(join(dir, 'f'), 'text'), { code: 'EISDIR' });
      assert.deepEqual(await realHost.list(dir), ['f']);
    }));

  it('removes empty directories only', () =>
    withDir(async (dir) => {
      await realHost.write(join(dir, 'f'), '');
      assert.equal(await realHost.rmdir(dir), false);
      await realHost.unlink(join(dir, 'f'));
      assert.equal(await realHost.rmdir(dir), true);
      assert.equal(await realHost.rmdir(dir), true);
    }));
});

describe('the host: processes', () => {
  it('a bad exit code is an answer, output and input go through', async () => {
    const script = 'process.stdin.pipe(process.stdout); console.error("e"); process.exitCode = 3';
    const result = await realHost.run(node, ['-e', script], { input: 'in' });
    assert.deepEqual(result, { exitCode: 3, stdout: 'in', stderr: 'e' });
  });

  it('a command that cannot run, or takes too long, is an error', async () => {
    await failure('COMMAND_FAILED', realHost.run('/no/such/command', []));
    await failure('COMMAND_FAILED', realHost.run(node, ['-e', 'setInterval(() => 0, 1000)'], { timeoutMs: 100 }));
  });

  it('a detached child answers on descriptor 3, and its talk goes to the log', () =>
    withDir(async (dir) => {
      const log = join(dir, 'log');
      const script = 'console.log("out"); console.error("err"); require("fs").writeSync(3, "ready\\nmore\\n")';
      const child = await realHost.spawnDetached(node, ['-e', script], log);
      assert.equal(await child.firstLine, 'ready');
      child.release();
      await until(async () => (await readFile(log, 'utf8')) === 'out\nerr\n', { deadline: 5000, what: 'the log' });
    }));

  it('a detached child that ends without a word gives none; one that cannot start is an error', () =>
    withDir(async (dir) => {
      const child = await realHost.spawnDetached(node, ['-e', ''], join(dir, 'log'));
      assert.equal(await child.firstLine, undefined);
      child.release();
      await assert.rejects(realHost.spawnDetached('/no/such', [], join(dir, 'log')), { code: 'ENOENT' });
    }));
});
