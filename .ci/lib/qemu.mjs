import { join } from 'node:path';
import { fetchPackages } from './suite.mjs';
import { TaskError, ask, root } from './task.mjs';

/**
 * A QEMU that emulates a network card with VMDq (igb, from version 8 on). Debian 12's own is older, and stays what
 * the system has.
 */
const home = join(root, 'build/qemu');
const packages = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data', 'seabios'];

/** Makes build/qemu, which runs with the libraries of the QEMU that is installed. */
export async function ensureQemu() {
  await fetchPackages('qemu', { home, suite: 'bookworm-backports', packages, what: 'a newer QEMU for the tests' });
  const libraries = await ask('ldd', [join(home, 'usr/bin/qemu-system-x86_64')]);
  const missing = [...(libraries ?? '').matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name);
  if (libraries !== undefined && missing.length === 0) return;
  throw new TaskError(
    `the newer QEMU lacks ${missing.join(' ') || 'everything'}`,
    `ldd ${home}/usr/bin/qemu-system-x86_64`,
  );
}
