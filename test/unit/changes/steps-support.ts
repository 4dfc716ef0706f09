import { applySteps } from '../../../src/changes/apply.js';
import { followedBy, planWrites } from '../../../src/changes/steps.js';
import type { Action, Step, WriteFile } from '../../../src/changes/steps.js';
import { undoSteps } from '../../helpers/host/steps.js';
import { MemoryHost } from '../host/memory-host.js';

export const WHAT = 'test';
export const OPTIONS = { what: WHAT, undoHint: 'undo it', around: (_: Step, work: () => Promise<void>) => work() };

export function step(id: string, actions: readonly Action[], more: Partial<Step> = {}): Step {
  return { id, title: id, why: '', current: '', wanted: '', diff: '', needsReboot: false, actions, ...more };
}

export const undoAll = ({ host }: MemoryHost, leave: readonly string[] = []): Promise<string[]> =>
  undoSteps(host, leave);

/** A host on which `make` and `unmake` add and remove a word, as `semodule -i` and `-r` do. */
export function machine(): MemoryHost {
  const memory = new MemoryHost({ '/etc/a.conf': 'one\n', '/etc/loaded': '' });
  memory.file('/etc/secret.conf', 'two\n', 0o600, { uid: 7, gid: 8 });
  const loaded = (text: string): void => void Object.assign(memory.entries.get('/etc/loaded') ?? {}, { text });
  memory.commands.set('make', () => {
    loaded('x');
    return {};
  });
  memory.commands.set('unmake', () => {
    const exitCode = memory.entries.get('/etc/loaded')?.text === 'x' ? 0 : 1;
    loaded('');
    return { exitCode, stderr: exitCode === 0 ? '' : 'not loaded' };
  });
  return memory;
}

/** A plan as the real ones are: computed from what stands there now. */
export async function plan(memory: MemoryHost): Promise<Step[]> {
  const writes: WriteFile[][] = [
    [{ kind: 'write', path: '/etc/a.conf', text: 'one\nmore\n' }],
    [
      { kind: 'write', path: '/etc/secret.conf', text: 'changed\n' },
      { kind: 'write', path: '/opt/new/dir/file', text: 'new\n', mode: 0o750, uid: 3, gid: 4 },
    ],
  ];
  const steps: Step[] = [];
  for (const [i, list] of writes.entries())
    steps.push(step(`files-${i}`, (await planWrites(memory.host, list)).actions));
  const loaded = (await memory.host.read('/etc/loaded')) === 'x';
  const load: Action = { kind: 'run', command: ['make'], undo: ['unmake'], makes: ['/etc/made'] };
  return [...steps, step('load', loaded ? [] : followedBy([load], ['reload']))];
}

export const apply = async (memory: MemoryHost): Promise<string[]> =>
  applySteps(memory.host, await plan(memory), OPTIONS);
