import { chown, mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { User } from './child.js';
import type { Scope } from './scope.js';

/** The repository's root, seen from build/test/helpers. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** `VHOST_HOST_TEST_CLI` names another build of the first, for tests that run where all is slow. */
export const bin = {
  vhostHost: process.env.VHOST_HOST_TEST_CLI ?? `${root}bin/vhost-host`,
  qemuWrap: `${root}bin/qemu-wrap`,
};

/**
 * In the environment of every process a test starts, so that whatever they leave running can be told from others.
 * Inherited where a test runs a program that uses these helpers too.
 */
export const testMark = { name: 'VHOST_HOST_TEST_RUN', value: process.env.VHOST_HOST_TEST_RUN ?? String(process.pid) };
process.env[testMark.name] = testMark.value;

/** In /tmp whatever TMPDIR says: socket paths end at 107 bytes. */
export const tempPrefix = `/tmp/vh-${testMark.value}-`;

/** Of network interfaces and namespaces; an interface's name ends at 15 bytes. */
export const linkPrefix = `vh${testMark.value}`;

/** A directory of the test's own. */
export async function tempDir(scope: Scope, owner?: User): Promise<string> {
  const dir = await mkdtemp(tempPrefix);
  if (owner !== undefined) await chown(dir, owner.uid, owner.gid);
  scope.defer(dir, () => rm(dir, { recursive: true, force: true }));
  return dir;
}
