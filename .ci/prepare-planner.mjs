#!/usr/bin/env node
// Makes qemu-wrap's planner ready for the Node that runs this, and forgets what was made for others: for packages, when
// they are installed and when their Node is another one. Without it the planner is only slower.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { preparePlannerFor } from './lib/compile-planner.mjs';
import { main, root } from './lib/task.mjs';

const dir = join(root, 'build/bundle/cli');

await main('vhost-host', async () => {
  for (const name of readdirSync(dir).filter((file) => file === 'node.seen' || /\.code(\.new)?$/.test(file)))
    rmSync(join(dir, name));
  await preparePlannerFor(process.execPath);
  rmSync(join(root, 'build/log'), { recursive: true, force: true });
});
