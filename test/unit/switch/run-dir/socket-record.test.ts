import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { lstat, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../../src/host/node-host.js';
import {
  apiSocketPath,
  claimSocketPath,
  portSocketPath,
  socketRecordPath,
} from '../../../../src/switch/run-dir/paths.js';
import { SocketRecord, clearDeadSocket } from '../../../../src/switch/run-dir/socket-record.js';
import { leaveDeadSocket, whileListening, withDir } from '../support.js';

describe('sockets a dead switch left', () => {
  it('only a socket that refuses connections is removed', () =>
    withDir(async (dir) => {
      const path = join(dir, 's');
      assert.equal(await clearDeadSocket(realHost, path), 'absent');
      await leaveDeadSocket(path);
      assert.equal(await clearDeadSocket(realHost, path), 'removed');
      assert.equal(existsSync(path), false);
      await whileListening(path, async () => {
        assert.equal(await clearDeadSocket(realHost, path), 'alive');
        assert.ok(existsSync(path));
      });
      await writeFile(path, 'text');
      assert.equal(await clearDeadSocket(realHost, path), 'foreign');
      assert.equal(await readFile(path, 'utf8'), 'text');
    }));

  it('a link to a dead socket is nobody we know, and stays', () =>
    withDir(async (dir) => {
      await leaveDeadSocket(join(dir, 's'));
      await symlink(join(dir, 's'), join(dir, 'link'));
      assert.equal(await clearDeadSocket(realHost, join(dir, 'link')), 'foreign');
      assert.ok((await lstat(join(dir, 's'))).isSocket());
    }));

  it("the API's, the ports' and the recorded ones go, inside the run directory and out of it; nothing else does", () =>
    withDir(async (dir) => {
      const outside = join(dir, 'outside.sock');
      const run = join(dir, 'run');
      await realHost.mkdir(run, 0o700);
      const leftovers = [apiSocketPath(run), claimSocketPath(run), portSocketPath(run, 'a'), outside];
      const others = [join(run, 'other.sock'), join(dir, 'unrecorded.sock')];
      for (const path of [...leftovers, ...others]) await leaveDeadSocket(path);
      await writeFile(join(run, 'port-x.sock'), 'no socket');
      const record = [outside, join(run, 'port-x.sock'), 'relative', 7];
      await writeFile(socketRecordPath(run), JSON.stringify(record));
      const said: string[] = [];
      await new SocketRecord(realHost, run).clearLeftovers((line) => said.push(line));
      assert.deepEqual(leftovers.filter(existsSync), []);
      assert.deepEqual(others.filter(existsSync), others);
      assert.deepEqual((await readdir(run)).sort(), ['other.sock', 'port-x.sock']);
      assert.equal(said.length, 4);
      assert.match(said[0] ?? '', /api\.sock, left by a switch that was killed/);
    }));

  it('a recorded one that somebody else listens on by now is left alone', () =>
    withDir(async (dir) => {
      const path = join(dir, 'x.sock');
      await writeFile(socketRecordPath(dir), JSON.stringify([path]));
      const said: string[] = [];
      await whileListening(path, async () => {
        await new SocketRecord(realHost, dir).clearLeftovers((line) => said.push(line));
        assert.ok(existsSync(path));
      });
      assert.deepEqual(said, [`left ${path} alone: somebody listens on it`]);
    }));

  it('a record that a crash cut short does not keep a switch from starting', () =>
    withDir(async (dir) => {
      await writeFile(socketRecordPath(dir), '["/x');
      await new SocketRecord(realHost, dir).clearLeftovers(() => undefined);
      assert.deepEqual(await readdir(dir), []);
    }));

  it('the record holds what is open elsewhere, and is gone when nothing is', () =>
    withDir(async (dir) => {
      const record = new SocketRecord(realHost, dir);
      const [below, own] = [join(dir, 'sub', 'port-b.sock'), join(dir, 'own.sock')];
      for (const path of ['/a', below, portSocketPath(dir, 'c'), own]) await record.add(path);
      assert.deepEqual(JSON.parse(await readFile(socketRecordPath(dir), 'utf8')), ['/a', below, own]);
      for (const path of ['/a', below, own]) await record.remove(path);
      assert.deepEqual(await readdir(dir), []);
    }));

  it("a port's socket in the run directory is known by its name, and taken away by the engine alone", () =>
    withDir(async (dir) => {
      const record = new SocketRecord(realHost, dir);
      await record.add(portSocketPath(dir, 'a'));
      assert.deepEqual(await readdir(dir), []);
      await leaveDeadSocket(portSocketPath(dir, 'a'));
      await record.close();
      assert.deepEqual(await readdir(dir), ['port-a.sock']);
    }));
});
