import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applySteps } from '../../../src/changes/apply.js';
import { setBlock } from '../../../src/changes/managed-block.js';
import { VhostHostError } from '../../../src/common/errors.js';
import { realHost } from '../../../src/host/node-host.js';
import { CHANGES_DIR, Journal } from '../../../src/changes/journal.js';
import { planWrites } from '../../../src/changes/steps.js';
import { rootedHost } from '../../../src/host/chroot-host.js';
import { planUndo } from '../../../src/changes/undo.js';
import { MemoryHost } from '../host/memory-host.js';
import { OPTIONS, WHAT, apply, machine, plan, step, undoAll } from './steps-support.js';
import { failure, withDir } from '../switch/support.js';

describe('steps: apply and undo', () => {
  it('does what is planned, keeps mode and owner, and is done the second time', async () => {
    const memory = machine();
    deepEqual(await apply(memory), ['files-0', 'files-1', 'load']);
    const tree = memory.tree();
    equal(tree['/etc/secret.conf'], 'file 600 7:8 changed\n');
    equal(tree['/opt/new/dir/file'], 'file 750 3:4 new\n');
    equal(tree[CHANGES_DIR], 'directory 700 0:0 ');
    match(tree[`${CHANGES_DIR}/000001.json`] ?? '', /^file 600 0:0 \{/);
    deepEqual(memory.ran, ['make', 'reload']);
    deepEqual(await apply(memory), []);
    deepEqual(memory.tree(), tree);
  });

  it('undo brings everything back, newest first, and leaves nothing of ours', async () => {
    const memory = machine();
    const before = memory.tree();
    await apply(memory);
    memory.ran.length = 0;
    deepEqual(await undoAll(memory), [
      'remove /etc/made, unmake',
      'reload',
      'remove /opt/new/dir/file',
      'remove the directory /opt/new/dir if it is empty',
      'remove the directory /opt/new if it is empty',
      'remove the directory /opt if it is empty',
      'put back /etc/secret.conf',
      'put back /etc/a.conf',
    ]);
    deepEqual(memory.ran, ['unmake', 'reload']);
    for (const path of ['/var', '/var/lib']) memory.entries.delete(path);
    deepEqual(memory.tree(), before);
    deepEqual(await undoAll(memory), []);
  });

  it('several runs are undone from the newest to the oldest', async () => {
    const memory = new MemoryHost({ '/f': '0' });
    for (const text of ['1', '2']) {
      const { actions } = await planWrites(memory.host, [{ kind: 'write', path: '/f', text }]);
      await applySteps(memory.host, [step('s', actions)], OPTIONS);
    }
    const runs = await planUndo(memory.host, await Journal.list(memory.host, WHAT), []);
    match(runs[0]?.diff ?? '', /-2\n.*\+1\n/s);
    match(runs[1]?.diff ?? '', /-1\n.*\+0\n/s);
    await undoAll(memory);
    equal(await memory.host.read('/f'), '0');
  });

  it('runs of another command are left alone', async () => {
    const memory = machine();
    await applySteps(memory.host, await plan(memory), { ...OPTIONS, what: 'another' });
    deepEqual(await undoAll(memory), []);
    equal((await Journal.list(memory.host, 'another')).length, 1);
  });

  it('a link stays a link, and the file behind it is edited and put back', async () => {
    const memory = new MemoryHost({ '/boot/real.cfg': 'a' }).link('/etc/grub.cfg', '/boot/real.cfg');
    const { actions } = await planWrites(memory.host, [{ kind: 'write', path: '/etc/grub.cfg', text: 'b' }]);
    await applySteps(memory.host, [step('s', actions)], OPTIONS);
    deepEqual(
      [memory.entries.get('/etc/grub.cfg')?.kind, memory.entries.get('/boot/real.cfg')?.text],
      ['symlink', 'b'],
    );
    deepEqual(await undoAll(memory), ['put back /boot/real.cfg']);
    equal(memory.entries.get('/boot/real.cfg')?.text, 'a');
  });

  it('a link into a store that a configuration builds is not written through, nor below', () =>
    withDir(async (dir) => {
      await mkdir(join(dir, 'nix/store/a/system'), { recursive: true });
      await mkdir(join(dir, 'etc'));
      await writeFile(join(dir, 'nix/store/a/conf'), 'built');
      await symlink('/nix/store/a/conf', join(dir, 'etc/conf'));
      await symlink('/nix/store/a/system', join(dir, 'etc/system'));
      const host = rootedHost(realHost, dir);
      for (const path of ['/etc/conf', '/etc/system/new', '/etc/system/new.d/deep/file', '/nix/store/b']) {
        const write = step('files', [{ kind: 'write', path, text: 'ours' }]);
        const { message } = await failure('CHANGE_FAILED', applySteps(host, [write], OPTIONS));
        match(message, /^nothing was changed, .* lies in \/nix\/store.*, which the system's own configuration builds$/);
      }
      deepEqual([await readdir(join(dir, 'nix/store')), await readdir(join(dir, 'nix/store/a/system'))], [['a'], []]);
      equal(await readFile(join(dir, 'nix/store/a/conf'), 'utf8'), 'built');
    }));

  it('with SELinux every written file gets its label', async () => {
    const memory = new MemoryHost({ '/sys/fs/selinux/enforce': '1', '/f': 'a' });
    const { actions } = await planWrites(memory.host, [{ kind: 'write', path: '/f', text: 'b' }]);
    await applySteps(memory.host, [step('s', actions)], OPTIONS);
    deepEqual(memory.ran, ['restorecon /f']);
  });
});

describe('steps: what was changed since', () => {
  it('is not undone, and neither is the rest: the files are named', async () => {
    const memory = machine();
    await apply(memory);
    memory.file('/etc/a.conf', 'by hand\n');
    memory.entries.delete('/etc/secret.conf');
    const tree = memory.tree();
    const error = await failure('CHANGED_SINCE', undoAll(memory));
    equal(error.message, '/etc/secret.conf was removed since; /etc/a.conf was changed since: nothing was undone');
    match(error.hint ?? '', /^--leave \/etc\/secret\.conf --leave \/etc\/a\.conf /);
    deepEqual(memory.tree(), tree);
  });

  it('is kept with --leave, by file or by step, and forgotten', async () => {
    const memory = machine();
    await apply(memory);
    memory.file('/etc/a.conf', 'by hand\n');
    memory.ran.length = 0;
    await undoAll(memory, ['/etc/a.conf', 'load']);
    equal(await memory.host.read('/etc/a.conf'), 'by hand\n');
    equal(await memory.host.read('/etc/secret.conf'), 'two\n');
    deepEqual([memory.ran, await Journal.list(memory.host, WHAT)], [[], []]);
  });

  it('a misspelt --leave is an error', async () => {
    const memory = machine();
    await apply(memory);
    const error = await failure('USAGE', undoAll(memory, ['/etc/b.conf']));
    equal(error.message, '--leave /etc/b.conf names nothing that was changed (steps: files-0, files-1, load)');
  });

  it('a mode that somebody else has changed meanwhile stays', async () => {
    const memory = machine();
    await apply(memory);
    await memory.host.chmod('/etc/a.conf', 0o600);
    await undoAll(memory);
    equal(memory.tree()['/etc/a.conf'], 'file 600 0:0 one\n');
  });

  it('a file of ours that was put back by hand is no conflict', async () => {
    const memory = machine();
    await apply(memory);
    memory.file('/etc/a.conf', 'one\n');
    await undoAll(memory);
    deepEqual(await Journal.list(memory.host, WHAT), []);
  });

  it('a directory that others use by now stays', async () => {
    const memory = machine();
    await apply(memory);
    memory.file('/opt/new/other', '');
    await undoAll(memory);
    deepEqual([memory.entries.has('/opt/new/other'), memory.entries.has('/opt/new/dir')], [true, false]);
  });
});

describe('steps: what is refused', () => {
  const refused = async (memory: MemoryHost, path: string): Promise<string> =>
    (await failure('SETUP_REFUSED', planWrites(memory.host, [{ kind: 'write', path, text: '' }]))).message;

  it('files that could not be put back: not text, not a file, a link to nowhere', async () => {
    equal(await refused(new MemoryHost({ '/f': 'a\uFFFD' }), '/f'), '/f is not UTF-8 text; it is left alone');
    equal(await refused(new MemoryHost().dir('/d'), '/d'), '/d is a directory, not a file');
    equal(await refused(new MemoryHost().link('/l', '/nowhere'), '/l'), '/l is a symbolic link that leads nowhere');
  });

  it('a journal of a version whose commands named no link is undone', async () => {
    const memory = machine();
    await apply(memory);
    const path = `${CHANGES_DIR}/000001.json`;
    const text = await memory.host.read(path);
    const older = text.replaceAll(/"undone": null,\s*/g, '');
    notEqual(older, text);
    memory.file(path, older, 0o600);
    await undoAll(memory);
    equal(await memory.host.read('/etc/loaded'), '');
  });

  it('a journal that others could write, and one that is none', async () => {
    const memory = machine();
    await apply(memory);
    await memory.host.chmod(CHANGES_DIR, 0o755);
    await failure('JOURNAL_INVALID', undoAll(memory));
    await failure('JOURNAL_INVALID', apply(machine().dir(CHANGES_DIR, 0o777)));
    await memory.host.chmod(CHANGES_DIR, 0o700);
    memory.file(`${CHANGES_DIR}/000002.json`, '{"format":2}', 0o600);
    const error = await failure('JOURNAL_INVALID', undoAll(memory));
    match(error.message, /000002\.json is not a journal of changes: .*format/);
  });
});

describe('a marked block', () => {
  const MARK = '# BEGIN x (written by vhost-host; changes in here are lost)\n';

  it('comes at the end, is replaced in its place, and leaves the rest alone', () => {
    const text = setBlock('first', 'x', 'one\n');
    equal(text, `first\n${MARK}one\n# END x\n`);
    equal(setBlock(`${text}last`, 'x', 'two'), `first\n${MARK}two\n# END x\nlast`);
    equal(setBlock(text, 'x', 'one\n'), text);
    equal(setBlock('', 'x', 'one'), `${MARK}one\n# END x\n`);
  });

  it('without its end it is refused', () => {
    let error: unknown;
    try {
      setBlock(MARK, 'x', 'one');
    } catch (caught) {
      error = caught;
    }
    equal(error instanceof VhostHostError && error.code, 'SETUP_REFUSED');
  });
});
