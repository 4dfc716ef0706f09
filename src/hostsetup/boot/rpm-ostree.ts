import { VhostHostError, printable } from '../../common/errors.js';
import type { BootDraft } from './method.js';
import { applyWish, ownArgs } from '../kernel/spec.js';
import type { KernelWish } from '../kernel/spec.js';
import type { Host } from '../../host/host.js';

/** The arguments of the deployment that the next boot takes. */
export async function readKargs(host: Host): Promise<string> {
  const { exitCode, stdout, stderr } = await host.run('rpm-ostree', ['kargs']);
  if (exitCode === 0) return stdout.trim();
  throw new VhostHostError('COMMAND_FAILED', `rpm-ostree kargs failed: ${printable(stderr)}`, {
    hint: 'rpm-ostree status',
  });
}

/**
 * One call, so one new deployment. All arguments of ours go and come anew, in order: `--append-if-missing`
 * would leave out the second `hugepages=256` of two sizes.
 */
function kargs(removed: readonly string[], added: readonly string[]): string[] {
  return ['rpm-ostree', 'kargs', ...removed.map((arg) => `--delete=${arg}`), ...added.map((arg) => `--append=${arg}`)];
}

export async function draftRpmOstree(host: Host, wish: KernelWish): Promise<BootDraft> {
  const current = await readKargs(host);
  const wanted = applyWish(current, wish);
  const [before, after] = [ownArgs(current, wish), ownArgs(wanted, wish)];
  const command = kargs(before, after);
  const changes = wanted !== current;
  return {
    how: 'rpm-ostree kargs',
    current,
    actions: changes ? [{ kind: 'run', command, undo: kargs(after, before) }] : [],
    diff: changes ? `run: ${command.join(' ')}\n` : '',
  };
}
