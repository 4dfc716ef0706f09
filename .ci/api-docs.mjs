#!/usr/bin/env node
// Writes the documents of docs/api/ anew: the control API, and the configuration files of the switch and of qemu-wrap.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { documents } from '../build/src/cli/documents.js';
import { main, root, say } from './lib/task.mjs';

await main('api-docs', async () => {
  const dir = join(root, 'docs/api');
  mkdirSync(dir, { recursive: true });
  for (const [name, document] of Object.entries(await documents())) {
    const path = join(dir, name);
    writeFileSync(path, await format(JSON.stringify(document), { parser: 'json', printWidth: 120 }));
    say(`wrote docs/api/${name}`);
  }
});
