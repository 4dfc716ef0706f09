#!/usr/bin/env node
// What may import what, in both languages; no circles; no folder in which one has to search; the words of the field;
// documents that stay short.
import { brokenDocuments } from './lib/documents.mjs';
import { brokenRules } from './lib/house.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { TaskError, main, root, say } from './lib/task.mjs';

await main('check-house', () => {
  const files = ['src', 'test', 'native'].flatMap((room) => filesBelow(room, room === 'native' ? ['build'] : []));
  const problems = [...brokenRules(files, root), ...brokenDocuments(files, root)];
  for (const problem of problems) say(problem);
  if (problems.length > 0) throw new TaskError(`${problems.length} rules of the house are broken`);
});
