import { Child } from '../child.js';
import type { Finished } from '../child.js';
import { root, tempDir } from '../paths.js';
import type { Scope } from '../scope.js';
import { within } from '../until.js';

/**
 * A shell script in a mount namespace of its own: what it mounts is gone with its last process. `$work` is an empty
 * tmpfs, `$repo` this package, `$node` the program that runs it; a command that fails ends the script.
 */
const PREPARE = `
set -e
work=$1 repo=$2 node=$3
mount -t tmpfs none "$work"
`;

/** With a process namespace too: whatever is left running in there ends with the first process. */
const NAMESPACES = '--mount --propagation private --pid --fork --kill-child --mount-proc'.split(' ');

export async function startInPrivateNamespace(scope: Scope, script: string): Promise<Child> {
  const work = await tempDir(scope);
  const args = [...NAMESPACES, 'sh', '-c', `${PREPARE}\n${script}`, 'sh', work, root, process.execPath];
  // Told to end, unshare waits for its child all the same.
  const quit = (child: Child): void => child.signal('SIGKILL');
  return Child.start(scope, 'a script in a mount namespace', 'unshare', args, { quit });
}

export async function runInPrivateNamespace(scope: Scope, script: string, deadline: number): Promise<Finished> {
  const child = await startInPrivateNamespace(scope, script);
  const { code } = await within(child.ended, { deadline, what: `the end of ${child.what}` });
  return { code, stdout: child.stdout, stderr: child.stderr };
}
