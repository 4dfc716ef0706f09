import { createTwoFilesPatch } from 'diff';

/** A unified diff of one file with three lines around each change, as `patch` takes it; empty where nothing changes. */
export function unifiedDiff(path: string, before: string, after: string): string {
  if (before === after) return '';
  const patch = createTwoFilesPatch(path, path, before, after, 'before', 'after', { context: 3 });
  // The library's first lines only separate several files.
  return patch.replace(/^(Index: .*\n)?=+\n/, '');
}
