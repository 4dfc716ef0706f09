import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own directory, seen from where this file is compiled to (`build/src/switch/`). */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)(join(packageRoot, 'package.json')) as { version: string };
  return manifest.version;
}
