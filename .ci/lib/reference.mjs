// The pages that are made of the program itself (src/cli/reference/): how they are laid out, and what differs from them.
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { root } from './task.mjs';

/** `pages`: the module `src/cli/reference/reference.ts`. Return: text by path, as it stands in the repository. */
export async function formattedReference(pages) {
  const files = await pages.referenceFiles();
  const formatted = [...files].map(async ([path, text]) => {
    if (!path.endsWith('.json')) return [path, text];
    const filepath = join(root, path);
    return [path, await format(text, { ...(await resolveConfig(filepath)), filepath })];
  });
  return new Map(await Promise.all(formatted));
}

/** Files in the directories of the reference that it does not have. */
export function leftOver(pages, files) {
  return pages.REFERENCE_DIRS.filter((dir) => existsSync(join(root, dir)))
    .flatMap((dir) =>
      readdirSync(join(root, dir), { withFileTypes: true }).flatMap((found) =>
        found.isDirectory() ? [] : [`${dir}/${found.name}`],
      ),
    )
    .filter((path) => !files.has(path))
    .sort();
}

/** What is not as it would be written, each with its reason. */
export function outOfDate(pages, files) {
  const differing = [...files].filter(([path, text]) => {
    const file = join(root, path);
    return !existsSync(file) || readFileSync(file, 'utf8') !== text;
  });
  return [
    ...differing.map(([path]) => `${path} is not what the program says`),
    ...leftOver(pages, files).map((path) => `${path} is not generated any more`),
  ].sort();
}

/** The module from today's sources, whatever has been compiled. */
export async function loadPages() {
  const { build } = await import('esbuild');
  // As deep below the root as what the compiler makes: modules find the package by their own place.
  const outfile = join(root, `build/reference/cli/pages-${process.pid}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/reference/reference.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'warning',
  });
  try {
    return await import(`${pathToFileURL(outfile).href}`);
  } finally {
    rmSync(outfile, { force: true });
  }
}
