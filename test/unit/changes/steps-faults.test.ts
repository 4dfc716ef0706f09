import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { applySteps } from '../../../src/changes/apply.js';
import { VhostHostError } from '../../../src/common/errors.js';
import { CHANGES_DIR } from '../../../src/changes/journal.js';
import type { Action } from '../../../src/changes/steps.js';
import type { MemoryHost } from '../host/memory-host.js';
import { OPTIONS, apply, machine, step, undoAll } from './steps-support.js';
import { failure } from '../switch/support.js';

describe('steps: broken at every effect', () => {
  const strip = (memory: MemoryHost): Record<string, string> => {
    const ours = ([path]: [string, string]): boolean => !/^\/var(\/|$)/.test(path);
    return Object.fromEntries(Object.entries(memory.tree()).filter(ours));
  };

  async function broken(failAt: number, late: boolean): Promise<MemoryHost> {
    const memory = machine();
    Object.assign(memory, { failAt, late });
    await rejects(apply(memory), VhostHostError);
    memory.failAt = undefined;
    return memory;
  }

  let effects = 0;
  const untouched = strip(machine());
  const after = machine();

  before(async () => {
    await apply(after);
    effects = after.effects;
  });

  for (const late of [false, true]) {
    it(`${late ? 'killed after' : 'full disk at'} each effect: undone, or finished and then undone`, async () => {
      equal(effects > 15, true);
      for (let failAt = 1; failAt <= effects; failAt++) {
        const undone = await broken(failAt, late);
        await undoAll(undone);
        deepEqual(strip(undone), untouched, `undone after ${failAt}`);
        const resumed = await broken(failAt, late);
        await apply(resumed);
        deepEqual(strip(resumed), strip(after), `finished after ${failAt}`);
        await undoAll(resumed);
        deepEqual(strip(resumed), untouched, `finished after ${failAt}, undone`);
      }
    });

    it(`${late ? 'killed after' : 'full disk at'} each effect of an undo: started again, it ends`, async () => {
      for (let failAt = 1; ; failAt++) {
        const memory = machine();
        await apply(memory);
        Object.assign(memory, { effects: 0, failAt, late });
        const failed = await undoAll(memory).then(
          () => false,
          () => true,
        );
        if (!failed) break;
        memory.failAt = undefined;
        await undoAll(memory);
        deepEqual(strip(memory), untouched, `undo broken at ${failAt}`);
      }
    });
  }

  it('says which step failed, what was done before it, and how to go back', async () => {
    const memory = machine();
    memory.commands.set('make', { exitCode: 3, stderr: 'no such module\n' });
    const error = await failure('CHANGE_FAILED', apply(memory));
    equal(error.message, 'load failed (done before it: files-0, files-1): make failed (exit code 3): no such module');
    equal(error.hint, 'undo it');
    deepEqual(error.details, { failed: 'load', done: ['files-0', 'files-1'], journal: `${CHANGES_DIR}/000001.json` });
  });

  it('a command that does not undo stops the undo, until it does or is left', async () => {
    const memory = machine();
    await apply(memory);
    memory.commands.set('unmake', { exitCode: 1, stdout: 'in use' });
    for (let i = 0; i < 2; i++) {
      const error = await failure('CHANGE_FAILED', undoAll(memory));
      match(error.message, /^remove \/etc\/made, unmake: unmake failed \(exit code 1\): in use; /);
    }
    equal(await memory.host.read('/etc/secret.conf'), 'changed\n');
    await undoAll(memory, ['load']);
    equal(await memory.host.read('/etc/secret.conf'), 'two\n');
  });

  it('a journal that cannot be kept means that nothing is done', async () => {
    const memory = machine();
    memory.dir('/var/lib');
    Object.assign(memory, { failAt: 3 });
    const error = await failure('CHANGE_FAILED', apply(memory));
    match(error.message, /^nothing was changed, for files-0 failed: ENOSPC/);
    equal(error.hint, undefined);
    deepEqual(strip(memory), untouched);
  });

  it('what a step finds wrong afterwards fails it', async () => {
    const memory = machine();
    const write: Action = { kind: 'write', path: '/etc/a.conf', text: 'x' };
    const bad = step('checked', [write], { verify: () => Promise.resolve('it does not work') });
    const error = await failure('CHANGE_FAILED', applySteps(memory.host, [bad], OPTIONS));
    equal(error.message, 'checked failed: it does not work');
    await undoAll(memory);
    equal(await memory.host.read('/etc/a.conf'), 'one\n');
  });

  it('a write that does not arrive is noticed', async () => {
    const memory = machine();
    const host = { ...memory.host, chown: () => Promise.resolve() };
    const write: Action = { kind: 'write', path: '/etc/a.conf', text: 'x', uid: 5 };
    const error = await failure('CHANGE_FAILED', applySteps(host, [step('s', [write])], OPTIONS));
    match(
      error.message,
      /\/etc\/a\.conf was written, but it has mode 0644, owner 0:0, wanted was mode 0644, owner 5:0$/,
    );
  });
});
