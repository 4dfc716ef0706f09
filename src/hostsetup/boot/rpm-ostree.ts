import { VhostHostError, printable } from '../../common/errors.js';
import type { BootDraft } from './method.js';
import { applySpec, ownArgs } from '../kernel/spec.js';
import type { KernelArgsSpec } from '../kernel/spec.js';
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

export async function draftRpmOstree(host: Host, spec: KernelArgsSpec): Promise<BootDraft> {
  const current = await readKargs(host);
  const wanted = applySpec(current, spec);
  const [before, after] = [ownArgs(current, spec), ownArgs(wanted, spec)];
  const command = kargs(before, after);
  const changes = wanted !== current;
  return {
    how: 'rpm-ostree kargs',
    current,
    actions: changes ? [{ kind: 'run', command, undo: kargs(after, before) }] : [],
    diff: changes ? `run: ${command.join(' ')}\n` : '',
  };
}
