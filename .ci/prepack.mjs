#!/usr/bin/env node
// Before `npm pack`: puts what is compiled here where the package is looked through for it when it is installed.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNative, prebuilds, programs, release } from './lib/native.mjs';
import { notices } from './lib/stage.mjs';
import { TaskError, ask, main, root, runLogged } from './lib/task.mjs';
import { ensureTypeScript } from './lib/typescript.mjs';

await main('prepack', async () => {
  if ((await ask('strip', ['--version'])) === undefined)
    throw new TaskError('strip is not there', 'apt-get install binutils');
  await ensureTypeScript();
  await buildNative();
  const dir = join(root, prebuilds);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const name of programs) {
    // As node-gyp-build names what is for one C library.
    const target = join(dir, name.replace(/\.node$/, '.glibc.node'));
    copyFileSync(join(root, release, name), target);
    await runLogged('prepack', 'strip', ['--strip-unneeded', target]);
  }
  writeFileSync(join(root, 'build/prebuilds/NOTICE'), notices());
});
