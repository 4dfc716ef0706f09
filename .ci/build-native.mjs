#!/usr/bin/env node
// Builds the native addon and the launcher when their sources have changed; `--rebuild` in any case.
import { buildNative } from './lib/native.mjs';
import { TaskError, main } from './lib/task.mjs';

await main('build-native', async () => {
  const unknown = process.argv.slice(2).find((arg) => arg !== '--rebuild');
  if (unknown !== undefined)
    throw new TaskError(`unknown argument ${unknown}`, 'node .ci/build-native.mjs [--rebuild]');
  await buildNative({ rebuild: process.argv.includes('--rebuild') });
});
