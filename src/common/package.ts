import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own directory, seen from where this file is compiled to (`build/src/switch/`). */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Keeps the devices /dev/<basename>-N. */
export const bridgeProgram = join(packageRoot, 'native', 'build', 'Release', 'vh-cuse');

export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)(join(packageRoot, 'package.json')) as { version: string };
  return manifest.version;
}
