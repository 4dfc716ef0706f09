import { strict as assert } from 'node:assert';
import { chmod, chown, mkdir, rename, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import { perform } from '../../../src/changes/perform.js';
import { changeableAround, changeableByOthers } from '../../../src/host/trusted-place.js';
import { failure, settingsFor, startBench, withDir } from '../switch/support.js';
import type { FileStat } from '../../../src/host/host.js';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

type Entry = Partial<FileStat> & { readonly to?: string };

/** A tree of directories of root's, but for what is named; `to`: where a link leads. */
function tree(entries: Readonly<Record<string, Entry>>, uid = 0): Parameters<typeof changeableByOthers>[0] {
  const base: FileStat = { kind: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, ctimeMs: 0 };
  const at = (path: string): Entry | undefined => entries[path] ?? (path === '/' ? {} : undefined);
  return {
    uid: () => uid,
    lstat: (path) => {
      const entry = at(path);
      return Promise.resolve(
        entry === undefined ? undefined : { ...base, ...(entry.to === undefined ? {} : { kind: 'symlink' }), ...entry },
      );
    },
    readLink: (path) => Promise.resolve(at(path)?.to),
  };
}

describe('places that others may change', () => {
  const srv = { '/srv': {}, '/srv/a': {}, '/srv/a/b': {} };
  const open: [string, Readonly<Record<string, Entry>>, string | undefined][] = [
    ['root alone', srv, undefined],
    ["another user's in the middle", { ...srv, '/srv/a': { uid: 7 } }, '/srv/a belongs to user id 7'],
    ["another user's at the end", { ...srv, '/srv/a/b': { uid: 7 } }, '/srv/a/b belongs to user id 7'],
    ['open to all', { ...srv, '/srv': { mode: 0o777 } }, '/srv is writable for everybody'],
    ['open to all but sticky, with ours in it', { ...srv, '/srv': { mode: 0o1777 } }, undefined],
    ['open to a group', { ...srv, '/srv/a': { mode: 0o775, gid: 50 } }, '/srv/a is writable for group id 50'],
    ["open to root's group", { ...srv, '/srv/a': { mode: 0o775 } }, undefined],
    [
      'a link of root',
      { '/srv': {}, '/srv/a': { to: '/opt' }, '/opt': {}, '/opt/b': { uid: 7 } },
      '/opt/b belongs to user id 7',
    ],
    [
      'a relative link',
      { '/srv': {}, '/srv/a': { to: '../opt/./x' }, '/opt': { mode: 0o777 } },
      '/opt is writable for everybody',
    ],
    [
      "another's link in a sticky directory",
      { '/srv': { mode: 0o1777 }, '/srv/a': { uid: 7, to: '/' } },
      '/srv/a belongs to user id 7',
    ],
    ['what is not there yet', { '/srv': {} }, undefined],
    ['links without an end', { '/srv': { to: '/srv' } }, '/srv leads through too many symbolic links'],
  ];

  for (const [what, entries, expected] of open) {
    it(`are told: ${what}`, async () => {
      const doubt = await changeableByOthers(tree(entries), '/srv/a/b');
      assert.equal(doubt && `${doubt.path} ${doubt.reason}`, expected);
    });
  }

  it("are not a user's own, nor what his own group may write", async () => {
    const home = { '/home': {}, '/home/u': { uid: 7, gid: 7, mode: 0o775 } };
    assert.equal(await changeableByOthers(tree(home, 7), '/home/u'), undefined);
    assert.match((await changeableByOthers(tree(home, 8), '/home/u'))?.reason ?? '', /user id 7/);
    assert.match((await changeableAround(tree(home), '/home/u/x'))?.reason ?? '', /user id 7/);
  });
});

describe('privileged work by name', () => {
  it('never follows a link that is put in the way', () =>
    withDir(async (dir) => {
      const [victim, name] = [join(dir, 'victim'), join(dir, 'name')];
      await writeFile(victim, '', { mode: 0o600 });
      await symlink(victim, name);
      await assert.rejects(realHost.chmod(name, 0o666), /ELOOP/);
      await assert.rejects(realHost.chown(name, process.getuid?.() ?? 0, process.getgid?.() ?? 0), /ELOOP/);
      assert.equal((await stat(victim)).mode & 0o777, 0o600);
      await realHost.chmod(victim, 0o640);
      assert.equal((await stat(victim)).mode & 0o777, 0o640);
    }));

  it('leaves a file alone whose name keeps changing its meaning', () =>
    withDir(async (dir) => {
      const [victim, name, own] = [join(dir, 'victim'), join(dir, 'name'), join(dir, 'own')];
      await writeFile(victim, '', { mode: 0o600 });
      let stop = false;
      const attacker = (async () => {
        while (!stop) {
          await writeFile(own, '');
          await rename(own, name);
          await symlink(victim, own);
          await rename(own, name);
          await unlink(name);
        }
      })();
      const seen = { done: 0, refused: 0 };
      try {
        while (seen.done < 20 || seen.refused < 20) {
          const result = await realHost.chmod(name, 0o666).then(
            () => 'done' as const,
            (error: unknown) => ((error as { code?: string }).code === 'ELOOP' ? ('refused' as const) : undefined),
          );
          if (result !== undefined) seen[result]++;
          assert.equal((await stat(victim)).mode & 0o777, 0o600);
        }
      } finally {
        stop = true;
        await attacker;
      }
    })).timeout(60_000);

  it('is refused to root below what belongs to another: socket, run directory, file', async function () {
    if (!isRoot) return this.skip();
    await withDir(async (dir) => {
      const theirs = join(dir, 'theirs');
      await mkdir(theirs);
      await chown(theirs, NOBODY, NOBODY);
      await chmod(dir, 0o755);
      const ports = [{ name: 'web', socket: join(theirs, 'web.sock') }];
      const socket = await failure('PORT_FAILED', startBench(join(dir, 'run'), { ports }));
      assert.match(socket.message, /web\.sock is no place for its socket: .*theirs belongs to user id 65534/);
      assert.match(socket.hint ?? '', /ports add web/);
      const settings = settingsFor(join(theirs, 'run'));
      const run = await failure('RUN_DIR_UNUSABLE', startBench(settings.runDir));
      assert.match(run.message, /theirs\/run lies below .*theirs, which belongs to user id 65534/);
      assert.equal(await realHost.lstat(settings.runDir), undefined);
      for (const kind of ['write', 'directory'] as const) {
        const path = join(theirs, 'x');
        const file = await failure('SETUP_REFUSED', perform(realHost, { kind, path, text: '' }));
        assert.match(file.message, /x is left alone: .*theirs belongs to user id 65534/);
        assert.equal(await realHost.lstat(path), undefined);
      }
    });
  });
});
