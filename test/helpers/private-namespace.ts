import { Child } from './child.js';
import type { Finished } from './child.js';
import { root, tempDir } from './paths.js';
import type { Scope } from './scope.js';
import { within } from './until.js';

/**
 * A shell script in a mount namespace of its own: what it mounts is gone with its last process. `$work` is an empty
 * tmpfs, `$repo` this package, `$node` the program that runs it; a command that fails ends the script.
 */
const PREPARE = `
set -e
work=$1 repo=$2 node=$3
mount -t tmpfs none "$work"
`;

export async function startInPrivateNamespace(scope: Scope, script: string): Promise<Child> {
  const work = await tempDir(scope);
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', `${PREPARE}\n${script}`, 'sh', work, root];
  return Child.start(scope, 'a script in a mount namespace', 'unshare', [...args, process.execPath]);
}

export async function runInPrivateNamespace(scope: Scope, script: string, deadline: number): Promise<Finished> {
  const child = await startInPrivateNamespace(scope, script);
  const { code } = await within(child.ended, { deadline, what: `the end of ${child.what}` });
  return { code, stdout: child.stdout, stderr: child.stderr };
}
