#!/usr/bin/env node
// Format and layering of the C sources, and the warnings that they are compiled with. `--write` formats them in place.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow } from './lib/stamp.mjs';
import { TaskError, main, root, runShown, say } from './lib/task.mjs';

const maxLines = 600;
/** Whose headers each room must not know; what our own include of each other, check-house.mjs looks at. */
const forbidden = [
  ...['base', 'virtio', 'switch'].map((room) => ({
    dir: `native/${room}/`,
    header: /^(node_api|js_native_api|uv|rte_)/,
    why: 'it knows neither Node nor DPDK',
  })),
  { dir: 'native/dpdk/', header: /^(node_api|js_native_api|uv)/, why: 'only the addon knows Node' },
  {
    dir: 'native/cuse/',
    header: /^(node_api|js_native_api|uv|rte_)/,
    why: 'the bridge is a program of its own: libc and libfuse3',
  },
  { dir: 'native/addon/', header: /^rte_/, why: 'the addon reaches DPDK through native/dpdk only' },
];

function problemsOf(file) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  const problems = [];
  if (lines.length - 1 > maxLines) problems.push(`${file}: ${lines.length - 1} lines, at most ${maxLines}`);
  const rules = forbidden.filter((rule) => file.startsWith(rule.dir));
  lines.forEach((line, index) => {
    const header = line.match(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/)?.[1];
    const broken = header === undefined ? undefined : rules.find((rule) => rule.header.test(header));
    if (broken) problems.push(`${file}:${index + 1}: includes ${header}; ${broken.why}`);
  });
  return problems;
}

/** Whoever says which C it is says with what warnings. */
function warningsMissing(file) {
  const text = readFileSync(join(root, file), 'utf8');
  if (!/-std=(c|gnu)11/.test(text) || /-Wconversion|\$\(WARNINGS\)/.test(text)) return [];
  return [`${file}: compiles without -Wconversion; native/flags.mk has what all of our C is compiled with`];
}

await main('check-native', async () => {
  const files = filesBelow('native', ['build']).filter((file) => /\.[ch]$/.test(file));
  const builds = ['native', '.ci'].flatMap((dir) =>
    filesBelow(dir, ['build']).filter((file) => /\/Makefile$|\.(mk|gyp|mjs)$/.test(file)),
  );
  const problems = [...files.flatMap(problemsOf), ...builds.flatMap(warningsMissing)];
  for (const problem of problems) say(problem);
  const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
  const code = await runShown('clang-format', ['--style=file', ...mode, ...files]);
  if (problems.length > 0) throw new TaskError(`${problems.length} rules broken in native/`);
  if (code !== 0) throw new TaskError('native/ is not formatted', 'npm run format');
});
