import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runLogged, say } from './task.mjs';

function packagesOf(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
}

/**
 * npm leaves its own record of what it installed; comparing that with the lock file is exact and needs no record of
 * ours. Optional packages may rightly be absent (other platforms).
 */
function isInstalled() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(packagesOf('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const got = installed[path];
    return got === undefined ? wanted.optional === true : got.version === wanted.version;
  });
}

/** Makes node_modules what package-lock.json says. */
export async function ensureNodeModules() {
  if (isInstalled()) return;
  say('- installing the npm packages (npm ci)');
  await runLogged('npm', 'npm', ['ci', '--no-audit', '--no-fund']);
}
