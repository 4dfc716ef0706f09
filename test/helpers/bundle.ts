import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { root } from './paths.js';

/** For packages in the bundle that are CommonJS. */
const HEAD = `
import { createRequire } from 'node:module';
import { dirname as dirnameOfModule } from 'node:path';
const require = createRequire(import.meta.url), __filename = import.meta.filename ?? '', __dirname = dirnameOfModule(__filename);
`;

/**
 * Makes one file of a compiled module and all that it imports: an emulated processor would take minutes for hundreds of
 * them. With `shebang` it can be run as it is. Modules find the package by their own place: it has to lie as deep.
 */
export function bundle(entry: string, outfile: string, shebang = ''): void {
  const how = ['--bundle', '--platform=node', '--format=esm', '--target=node20', '--minify', '--log-level=error'];
  const what = [`${root}${entry}`, `--outfile=${outfile}`, `--banner:js=${shebang}${HEAD}`];
  // A process that ends: esbuild's own interface leaves one running.
  execFileSync(`${root}node_modules/.bin/esbuild`, [...how, ...what]);
  if (shebang !== '') chmodSync(outfile, 0o755);
}
