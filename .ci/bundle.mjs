#!/usr/bin/env node
// Bundles what must start fast; `npm run build:ts` runs it after the compiler.
import { bundle } from './lib/bundle.mjs';
import { main } from './lib/task.mjs';

await main('bundle', bundle);
