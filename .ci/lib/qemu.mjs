import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fetchPackages } from './suite.mjs';
import { TaskError, ask, root } from './task.mjs';

/**
 * A QEMU that emulates a network card with VMDq: igb, from this version on. Debian 12's own is older, and stays what
 * the system has.
 */
const enough = '1:8.0';
const home = join(root, 'build/qemu');
const packages = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data', 'seabios'];

async function ownIsEnough() {
  const version = (await ask('dpkg-query', ['-W', '-f', '${Version}', packages[0]])) ?? '0';
  return (await ask('dpkg', ['--compare-versions', version, 'ge', enough])) !== undefined;
}

/** Makes build/qemu: a newer QEMU, which runs with the libraries of the one that is installed, or that one itself. */
export async function ensureQemu() {
  if (await ownIsEnough()) {
    if (existsSync(join(home, 'usr'))) return;
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    symlinkSync('/usr', join(home, 'usr'));
    return;
  }
  await fetchPackages('qemu', { home, suite: 'bookworm-backports', packages, what: 'a newer QEMU for the tests' });
  const libraries = await ask('ldd', [join(home, 'usr/bin/qemu-system-x86_64')]);
  const missing = [...(libraries ?? '').matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name);
  if (libraries !== undefined && missing.length === 0) return;
  throw new TaskError(
    `the newer QEMU lacks ${missing.join(' ') || 'everything'}`,
    `ldd ${home}/usr/bin/qemu-system-x86_64`,
  );
}
