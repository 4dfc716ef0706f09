#!/usr/bin/env node
// npm's `install`: takes the prebuilt addon where it loads here, else compiles. In a clone it does nothing.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildNative, prebuilds, programs, release } from './lib/native.mjs';
import { TaskError, main, root, say } from './lib/task.mjs';

const prebuilt = (name) => join(root, prebuilds, name.replace(/\.node$/, '.glibc.node'));

/** Why the prebuilt programs do not run here; undefined: they do. Tried in a process of its own, which it may end. */
function reasonAgainstPrebuilt() {
  if (process.report.getReport().header.glibcVersionRuntime === undefined) return 'this system has no glibc';
  if (!programs.every((name) => existsSync(prebuilt(name)))) return `there is none for ${process.arch}`;
  const load = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', prebuilt('vhost_host.node')]);
  if (load.status !== 0) return /Error: (.*)/.exec(load.stderr)?.[1] ?? 'it does not load';
  const run = spawnSync(prebuilt('vh-cuse'), []);
  return run.status === 127 ? run.stderr.toString().trim() : undefined;
}

await main('vhost-host', async () => {
  if (existsSync(join(root, 'src'))) return;
  const reason = reasonAgainstPrebuilt();
  if (reason === undefined) {
    mkdirSync(join(root, release), { recursive: true });
    for (const name of programs) copyFileSync(prebuilt(name), join(root, release, name));
  } else {
    say(`the prebuilt addon is not used (${reason}); compiling`);
    const gyp = process.env.npm_config_node_gyp;
    if (gyp === undefined) throw new TaskError('npm has named no node-gyp', 'npm rebuild vhost-host');
    await buildNative({ rebuild: true, gyp });
  }
  // Only a matter of speed.
  spawnSync(process.execPath, [join(root, '.ci/prepare-planner.mjs')], { stdio: 'inherit' });
});
