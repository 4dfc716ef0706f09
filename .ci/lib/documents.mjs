// Documents for newcomers stay short, and the map of ARCHITECTURE.md has each folder there is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sizes: `lines` or `bytes`, at most. */
const limits = [
  { file: 'ARCHITECTURE.md', bytes: 12288, else: 'move detail to docs/internals/' },
  { file: 'README.md', lines: 150, else: 'move detail to docs/' },
];
/** One row of the map stands for all below these: docs/internals/testing.md has their parts. */
const oneRow = /^native\/(test|fuzz|bench)\//;

function tooLong({ file, bytes, lines, else: remedy }, root) {
  const text = readFileSync(join(root, file));
  const size = bytes === undefined ? text.toString().trimEnd().split('\n').length : text.length;
  const most = bytes ?? lines;
  const unit = bytes === undefined ? 'lines' : 'bytes';
  return size > most ? [`${file} has ${size} ${unit}, at most ${most}: ${remedy}`] : [];
}

/** Folders of src/ and native/ that hold sources, by `files`, each with a slash at its end. */
function foldersOf(files) {
  const sources = files.filter((file) => /^(src\/.*\.ts|native\/.*\.[ch])$/.test(file) && !oneRow.test(file));
  return new Set(sources.map((file) => file.slice(0, file.lastIndexOf('/') + 1)));
}

function mapOff(files, root) {
  const rows = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('\n');
  const cells = rows.filter((row) => row.startsWith('| `')).map((row) => row.split('|')[1]);
  const named = new Set(
    cells.flatMap((cell) => [...cell.matchAll(/`((?:src|native)\/[^`]*)`/g)].map(([, name]) => name)),
  );
  const there = foldersOf(files);
  return [
    ...[...there]
      .filter((folder) => !named.has(folder))
      .map((folder) => `${folder} is not in the map of ARCHITECTURE.md: add a row with the question it answers`),
    ...[...named]
      .filter((folder) => !there.has(folder) && !oneRow.test(folder))
      .map((folder) => `${folder} is in the map of ARCHITECTURE.md but has no sources: remove its row`),
  ];
}

/**
 * What is wrong with the documents. files: paths below `root`, at least of src/ and native/. Return: lines for a
 * person, none where all is well.
 */
export function brokenDocuments(files, root) {
  return [...limits.flatMap((limit) => tooLong(limit, root)), ...mapOff(files, root)];
}
