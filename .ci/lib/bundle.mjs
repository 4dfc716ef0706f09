import { rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { preparePlannerFor, textOfPlanner } from './compile-planner.mjs';
import { root } from './task.mjs';

/**
 * What is started often becomes a few files, since finding and loading hundreds of modules one by one takes longer than
 * their work. They lie as deep below the root as the modules they are made of: what finds the package by its own place
 * goes on finding it.
 */
const dir = join(root, 'build/bundle/cli');

const common = {
  absWorkingDir: root,
  outdir: dir,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // ASCII only: the text of qemu-wrap's planner is read as bytes.
  charset: 'ascii',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
};

/** The command line, in `main.js`; what is imported on first use only, as the switch itself is, is in files of its own. */
const commandLine = {
  ...common,
  // The second is bin/vhost-host's, which asks it whether this Node can run the first.
  entryPoints: { main: 'src/cli/main.ts', 'node-flags': 'src/common/node-flags.ts' },
  format: 'esm',
  splitting: true,
  chunkNames: 'main-[hash]',
  // For packages that are CommonJS.
  banner: {
    js: "import{createRequire as requireOfBundle}from'node:module';const require=requireOfBundle(import.meta.url);",
  },
};

/**
 * qemu-wrap's planner is started with every guest: one file, `wrap-plan.js`, with the code that V8 makes of it beside it
 * and `wrap-start.cjs` to run it.
 */
const planner = {
  ...common,
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
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

/** Directories of npm's packages that have given something: who passes the bundle on owes their licences. */
function packagesOf({ inputs }) {
  const found = Object.keys(inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  return [...new Set(found)].sort();
}

export async function bundle() {
  // Deferred: set-up begins before the packages are installed.
  const { build } = await import('esbuild');
  rmSync(dir, { recursive: true, force: true });
  const lazy = new Map();
  const { metafile } = await build({ ...commandLine, metafile: true });
  writeFileSync(join(root, 'build/bundle/packages.json'), JSON.stringify(packagesOf(metafile)));
  await build({
    ...planner,
    entryPoints: { 'wrap-plan': 'src/cli/wrap/planner.ts' },
    outExtension: { '.js': '.js' },
    plugins: [apart(lazy)],
  });
  await build({
    ...planner,
    entryPoints: { 'wrap-start': 'src/cli/wrap/main.ts', ...Object.fromEntries(lazy) },
    define: { ...planner.define, TEXT_OF_PLANNER: JSON.stringify(textOfPlanner()) },
  });
  const { launcherTable } = await import(pathToFileURL(join(root, 'build/src/common/node-flags.js')));
  writeFileSync(join(dir, 'node.table'), launcherTable());
  await preparePlannerFor(process.execPath);
}
