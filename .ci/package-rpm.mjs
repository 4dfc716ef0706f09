#!/usr/bin/env node
// Builds the .rpm of what is built in this clone, into build/package/.
import { buildRpm } from './lib/rpm.mjs';
import { main } from './lib/task.mjs';

await main('package:rpm', async () => void (await buildRpm()));
