import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { root } from './task.mjs';

/** All files below `dir` (relative to the root), in a stable order; `skip` names directories not to enter. */
export function filesBelow(dir, skip = []) {
  const found = [];
  for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && !skip.includes(entry.name)) found.push(...filesBelow(path, skip));
    if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

/** Contents rather than times: a checkout or a copy changes times without changing anything. */
export function fingerprint(files, ...more) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(resolve(root, file)))
      .update('\0');
  for (const text of more) hash.update(`${text}\0`);
  return hash.digest('hex');
}

const stampPath = (name) => join(root, 'build', 'stamp', name);

/** Whether `name` was made from exactly these inputs and its outputs are still there. */
export function isCurrent(name, print, outputs) {
  if (!outputs.every((output) => existsSync(join(root, output)))) return false;
  return existsSync(stampPath(name)) && readFileSync(stampPath(name), 'utf8') === print;
}

export function record(name, print) {
  mkdirSync(dirname(stampPath(name)), { recursive: true });
  writeFileSync(stampPath(name), print);
}

export function isDirectory(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
}
