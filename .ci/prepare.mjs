#!/usr/bin/env node
// Makes this clone ready to run: Debian packages, npm packages, build, the tests' guest. Plain Node, because nothing
// is installed yet when it starts. With all in place it does nothing, in well under a second.
//
//   node .ci/prepare.mjs [GROUP...]     groups of Debian packages (see lib/packages.mjs); without one, all
import { ensureGuest } from './lib/guest.mjs';
import { buildNative } from './lib/native.mjs';
import { ensureNodeModules } from './lib/npm.mjs';
import { ensurePackages, groupNames } from './lib/packages.mjs';
import { TaskError, main } from './lib/task.mjs';
import { ensureTypeScript } from './lib/typescript.mjs';

await main('prepare', async () => {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !groupNames.includes(name));
  if (unknown !== undefined) {
    throw new TaskError(`unknown group ${unknown}`, `node .ci/prepare.mjs ${groupNames.join(' ')}`);
  }
  const groups = named.length === 0 ? groupNames : named;
  await ensurePackages(groups);
  await ensureNodeModules();
  await ensureTypeScript();
  await buildNative();
  if (groups.includes('guest')) await ensureGuest();
});
