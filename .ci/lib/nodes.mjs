// The versions of Node that the tests run our programs on, beside the one that runs the tests.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { preparePlannerFor } from './compile-planner.mjs';
import { root, runLogged, say } from './task.mjs';

/** The oldest that will do, and one of each line that gets updates. test/e2e/node-versions.test.ts reads the directory. */
const versions = ['20.19.0', '22.23.5', '24.22.3'];
const home = join(root, 'build/nodes');
/** Why there are none, for the test that is skipped then. */
const reason = join(home, 'missing');

/** Returns the program. */
async function fetchNode(version) {
  const dir = join(home, version);
  const name = `node-linux-${process.arch}`;
  const binary = join(dir, 'node_modules', name, 'bin/node');
  const done = join(dir, 'complete');
  if (!existsSync(done)) {
    say(`- fetching Node ${version} for the tests (npm package ${name})`);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    const quiet = [
      '--no-save',
      '--no-package-lock',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--fetch-retries=1',
    ];
    await runLogged('nodes', 'npm', ['install', '--prefix', dir, ...quiet, `${name}@${version}`]);
    writeFileSync(done, `${binary}\n`);
  }
  return binary;
}

/**
 * Makes build/nodes. Without a registry the tests go without, and say so. Return: the programs, for seeNodes() once all
 * is built.
 */
export async function fetchNodes() {
  mkdirSync(home, { recursive: true });
  rmSync(reason, { force: true });
  const binaries = [];
  for (const version of versions) {
    try {
      binaries.push({ version, binary: await fetchNode(version) });
    } catch (error) {
      say(`- no Node ${version} for the tests: ${error.message}`);
      writeFileSync(reason, `${error.message}; ${error.hint ?? ''}\n`);
      break;
    }
  }
  return binaries;
}

/** Tells the bundle of these programs. Bundled anew, it has forgotten them. */
export async function seeNodes(binaries) {
  for (const { version, binary } of binaries) {
    const seen = readFileSync(join(root, 'build/bundle/cli/node.seen'), 'utf8');
    if (!seen.includes(` v${version}\n`)) await preparePlannerFor(binary);
  }
}
