import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { runToEnd } from '../helpers/child.js';
import { root } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { ownRelease } from './clean-debian.js';

export const OLDER = '0.0.9';
/** Debian's release that the image (packaging/oci) is of. */
export const IMAGE_RELEASE = 'trixie';
/** Building an image fetches and compiles, on a machine that may have much else to do. */
const DEADLINE_MS = 1_800_000;

/** Paths of packages of this clone's version and of an older one. */
export interface Packages {
  readonly older: string;
  readonly newer: string;
}

/** Runs a script of set-up's that builds a package. Return: its path. */
export async function buildTask(script: string, ...args: string[]): Promise<string> {
  const within = new Scope();
  try {
    const made = await runToEnd(within, process.execPath, [`${root}.ci/${script}`, ...args], { deadline: DEADLINE_MS });
    assert.equal(made.code, 0, made.stderr);
    return /^- built (.*)$/m.exec(made.stderr)?.[1] ?? assert.fail(made.stderr);
  } finally {
    await within.close();
  }
}

/** Of another release: in the root that the image was built in, which has that release's DPDK. */
async function fromImage(): Promise<Packages> {
  const dir = `${root}build/package/oci`;
  await buildTask('package-oci.mjs', '--deb', OLDER);
  const built = `${dir}/build/src/build/package`;
  const names = (await readdir(built)).filter((name) => name.endsWith('.deb'));
  const find = (older: boolean): string =>
    names.find((name) => name.startsWith(`vhost-host_${OLDER}-`) === older) ?? assert.fail(names.join(' '));
  await mkdir(`${root}build/package`, { recursive: true });
  for (const name of names) await copyFile(`${built}/${name}`, `${root}build/package/${name}`);
  return { older: `${root}build/package/${find(true)}`, newer: `${root}build/package/${find(false)}` };
}

/** Builds both packages for that release. */
export async function buildPackages(release: string): Promise<Packages> {
  if (release !== ownRelease) return fromImage();
  return { older: await buildTask('package-deb.mjs', '--version', OLDER), newer: await buildTask('package-deb.mjs') };
}
