import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, openSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { initramfs } from './guest.js';
import { root, tempDir } from '../paths.js';
import type { Scope } from '../scope.js';

/** The tests' file system for guests with more in it: files of this system, and modules of the guests' kernel. */
export interface Image {
  readonly archive: string;
  /** Names below /modules, in the order in which they load. */
  readonly modules: readonly string[];
}

export interface ImageContents {
  /** Files and directories of this system, each with its place in the guest. */
  readonly files: Iterable<readonly [from: string, to: string]>;
  readonly modules: readonly string[];
}

interface ModulesOfKernel {
  readonly moduleOrder: (modulesDir: string, names: readonly string[]) => string[];
}

/** The shared libraries that a program or library is linked to, however indirectly. */
export function librariesOf(path: string): string[] {
  const listed = execFileSync('ldd', [path], { encoding: 'utf8' });
  return [...listed.matchAll(/(\/\S+) \(0x/g)].flatMap(([, library]) => library ?? []);
}

/** Puts the contents behind the tests' own file system: the kernel unpacks one after the other. */
export async function packImage(scope: Scope, { files, modules }: ImageContents): Promise<Image> {
  const work = await tempDir(scope);
  const [staging, archive] = [join(work, 'extra'), join(work, 'initramfs')];
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(staging, to)), { recursive: true });
    // Nothing is copied twice: cpio follows the links.
    symlinkSync(realpathSync(from), join(staging, to));
  };
  for (const [to, from] of new Map([...files].map(([from, to]) => [to, from]))) put(from, to);
  const versions = join(root, 'build/guest/kernel/lib/modules');
  const dir = join(versions, readdirSync(versions)[0] ?? '');
  // As set-up orders those of every guest.
  const { moduleOrder } = (await import(`${root}.ci/lib/modules.mjs`)) as ModulesOfKernel;
  const order = moduleOrder(dir, modules);
  for (const path of order) put(join(dir, path), `/modules/${basename(path)}`);
  const names = execFileSync('find', ['-L', '.', '-mindepth', '1'], { cwd: staging, maxBuffer: 2 ** 26 });
  copyFileSync(initramfs, archive);
  const out = openSync(archive, 'a');
  try {
    execFileSync('cpio', ['-o', '-L', '--quiet', '-H', 'newc', '-R', '0:0'], {
      cwd: staging,
      input: names,
      stdio: ['pipe', out, 'inherit'],
    });
  } finally {
    closeSync(out);
  }
  return { archive, modules: order.map((path) => basename(path)) };
}
