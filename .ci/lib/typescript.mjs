import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';
import { filesBelow, fingerprint, isCurrent, isDirectory, record } from './stamp.mjs';
import { root, runLogged, say } from './task.mjs';

/** As in package.json. */
const found = 'build/stamp/tsc';

/** Compiled files whose source is gone: a test that was deleted must not go on running. */
function pruneOrphans() {
  for (const dir of ['build/src', 'build/test'].filter(isDirectory)) {
    for (const file of filesBelow(dir)) {
      const source = file.replace(/^build\//, '').replace(/\.js(\.map)?$/, '.ts');
      if (source.endsWith('.ts') && !existsSync(join(root, source))) rmSync(join(root, file));
    }
  }
}

/** Compiles src/ and test/ into build/, and bundles what must start fast, when any source has changed. */
export async function ensureTypeScript() {
  const sources = ['src', 'test'].flatMap((dir) => filesBelow(dir)).filter((file) => file.endsWith('.ts'));
  const means = ['tsconfig.json', 'package-lock.json', '.ci/lib/bundle.mjs', '.ci/lib/compile-planner.mjs'];
  // Code that was compiled ahead is good for one version of Node.
  const print = fingerprint([...sources, ...means], process.version);
  if (isCurrent('typescript', print, ['build/src', 'build/test', 'build/bundle'])) return;
  say('- compiling TypeScript');
  pruneOrphans();
  // What it found is kept for `npm run check`, and never used here: it would write no file that it wrote before.
  rmSync(join(root, found), { force: true });
  const keep = ['--incremental', '--tsBuildInfoFile', found];
  await runLogged('tsc', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', ...keep]);
  await bundle();
  record('typescript', print);
}
