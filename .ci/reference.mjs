#!/usr/bin/env node
// Writes what is made of the program itself: man pages, completions, command reference, schemas, OpenAPI, drop reasons.
// With --check it writes nothing, and fails where something is out of date.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formattedReference, leftOver, loadPages, outOfDate } from './lib/reference.mjs';
import { TaskError, main, root, say } from './lib/task.mjs';

await main('reference', async () => {
  const pages = await loadPages();
  const files = await formattedReference(pages);
  const problems = outOfDate(pages, files);
  if (process.argv.includes('--check')) {
    for (const problem of problems) say(problem);
    if (problems.length > 0) throw new TaskError('generated pages are out of date', 'npm run reference');
    return;
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const path of leftOver(pages, files)) rmSync(join(root, path));
  for (const problem of problems) say(`corrected: ${problem}`);
});
