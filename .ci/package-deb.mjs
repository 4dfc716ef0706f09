#!/usr/bin/env node
// Builds the Debian package for the release that this machine runs, into build/package/.
//
//   npm run package:deb [-- --version VERSION]   VERSION in place of package.json's
import { buildDeb } from './lib/deb.mjs';
import { TaskError, main } from './lib/task.mjs';

await main('package:deb', async () => {
  const [option, version, ...more] = process.argv.slice(2);
  const usage = 'npm run package:deb -- --version 1.2.3';
  if (option !== undefined && (option !== '--version' || more.length > 0))
    throw new TaskError(`unknown argument ${option === '--version' ? more[0] : option}`, usage);
  if (option !== undefined && !/^\d+\.\d+\.\d+$/.test(version ?? ''))
    throw new TaskError(`"${version ?? ''}" is no version`, usage);
  await buildDeb(version);
});
