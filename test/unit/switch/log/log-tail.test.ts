import { strict as assert } from 'node:assert';
import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../../src/host/node-host.js';
import { LogTail } from '../../../../src/switch/log/log-tail.js';
import { withDir } from '../support.js';

describe('the tail of a log', () => {
  const numbered = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, n) => `line ${from + n} of many`);

  it('has every line once, however the file is put aside and begun anew', () =>
    withDir(async (dir) => {
      const path = join(dir, 'log');
      const tail = new LogTail(realHost, path);
      assert.equal(await tail.read(), undefined);
      const wanted: string[] = [];
      const got: string[] = [];
      for (let round = 0; round < 40; round++) {
        const lines = numbered(round * 100, round * 100 + 100);
        wanted.push(...lines);
        const text = `${lines.join('\n')}\n`;
        // Anywhere in a line.
        const cut = (round * 37) % text.length;
        await appendFile(path, text.slice(0, cut));
        got.push(...((await tail.read()) ?? []));
        await appendFile(path, text.slice(cut));
        if (round % 4 === 3) {
          await rm(`${path}.2`, { force: true });
          await rename(`${path}.1`, `${path}.2`).catch(() => undefined);
          await rename(path, `${path}.1`);
          await writeFile(path, '');
        }
      }
      got.push(...((await tail.read()) ?? []));
      assert.deepEqual(got, wanted);
    }));

  it('is of the file that was read, also where it is put aside between a look and a read', () =>
    withDir(async (dir) => {
      const path = join(dir, 'log');
      await writeFile(path, 'old 1\nold 2\n');
      let turns = 0;
      const host = {
        ...realHost,
        identity: async (name: string) => {
          const identity = await realHost.identity(name);
          if (name === path && turns++ === 2) {
            await appendFile(path, 'old 3\n');
            await rename(path, `${path}.1`);
            await writeFile(path, 'new 1\n');
          }
          return identity;
        },
      };
      const tail = new LogTail(host, path);
      const got = [...((await tail.read()) ?? []), ...((await tail.read()) ?? [])];
      assert.deepEqual(got, ['old 1', 'old 2', 'old 3', 'new 1']);
    }));

  it('goes on in the new file where the old one was removed', () =>
    withDir(async (dir) => {
      const path = join(dir, 'log');
      const tail = new LogTail(realHost, path);
      await writeFile(path, 'one\nhalf');
      assert.deepEqual(await tail.read(), ['one']);
      await rm(path);
      assert.deepEqual(await tail.read(), ['half']);
      await writeFile(path, 'two\n');
      assert.deepEqual(await tail.read(), ['two']);
    }));
});
