import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { launcherSays } from './compile-planner.mjs';
import { root, runLogged } from './task.mjs';

/**
 * qemu-wrap's planner is started with every guest, so that loading its modules one by one would count: it becomes one
 * file, `build/bundle/cli/wrap-plan.js`, with the code that V8 makes of it beside it and `wrap-start.cjs` to run it.
 * The files lie as deep below the root as the modules they are made of: what finds the package by its own place
 * goes on finding it.
 */
const dir = join(root, 'build/bundle/cli');

/** As in native/launch/plan.c: V8 refuses code that it made under other flags. */
const nodeFlags = [
  '--jitless',
  '--no-expose-wasm',
  '--no-rehash-snapshot',
  '--v8-pool-size=1',
  '--preserve-symlinks-main',
];

const common = {
  absWorkingDir: root,
  outdir: dir,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // ASCII only: the text is read as bytes.
  charset: 'ascii',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
  // Code that was compiled ahead cannot contain import().
  supported: { 'dynamic-import': false },
  // Only made when it is asked for: Node's URLs cost more than reading the host's hugepages.
  define: { 'import.meta.url': 'bundle.url' },
  banner: { js: "'use strict';const bundle={get url(){return require('node:url').pathToFileURL(__filename).href}};" },
};

/** What is imported on first use only becomes a file of its own; the planner hardly ever gets there. */
function apart(found) {
  return {
    name: 'apart',
    setup({ onResolve, resolve }) {
      onResolve({ filter: /.*/ }, async ({ kind, path, resolveDir, pluginData }) => {
        if (kind !== 'dynamic-import' || pluginData === 'asked') return undefined;
        const target = await resolve(path, { kind, resolveDir, pluginData: 'asked' });
        const name = basename(path).replace(/\.js$/, '');
        found.set(name, target.path);
        return { path: `./${name}.cjs`, external: true };
      });
    },
  };
}

export async function bundle() {
  // Deferred: set-up begins before the packages are installed.
  const { build } = await import('esbuild');
  rmSync(dir, { recursive: true, force: true });
  const lazy = new Map();
  await build({
    ...common,
    entryPoints: ['src/cli/wrap-plan.ts'],
    outExtension: { '.js': '.js' },
    plugins: [apart(lazy)],
  });
  await build({ ...common, entryPoints: { 'wrap-start': 'src/cli/wrap-start.ts', ...Object.fromEntries(lazy) } });
  await runLogged('bundle', process.execPath, [...nodeFlags, '.ci/lib/compile-planner.mjs', dir], {
    input: launcherSays,
  });
}
