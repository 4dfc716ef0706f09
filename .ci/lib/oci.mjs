// The steps of packaging/oci/Dockerfile in roots made by debootstrap, by chroot: no container engine is needed.
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { accessFiles, accessSettings } from './access.mjs';
import { ensureBase } from './debian-root.mjs';
import { readDockerfile } from './dockerfile.mjs';
import { filesBelow, fingerprint, isCurrent, record } from './stamp.mjs';
import { TaskError, root, runLogged, say } from './task.mjs';

const sources = join(root, 'packaging/oci');
/** `build` and `image`: the stages' file systems. `image.json`: what the image says of how it is run. */
export const ociDir = join(root, 'build/package/oci');

/**
 * For a step: the kernel's file systems, and the certificates that registries are known by here, in a /run that is gone
 * with it. $1 = the root, $2 = directory, $3 = command.
 */
const STEP = `
set -e
mount -t proc none "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs none "$1/run"
for name in $files; do
  cp "$(printenv "$name")" "$1/run/$name"
  export "$name=/run/$name"
done
exec chroot "$1" sh -c 'cd "$1" && eval "$2"' sh "$2" "$3"
`;

/** Runs a shell command in a stage's root, in directory `cwd` of it. */
export async function runInStage(stage, cwd, command) {
  const access = await accessSettings();
  const files = accessFiles.filter((name) => access[name]).join(' ');
  const env = { ...access, files, DEBIAN_FRONTEND: 'noninteractive' };
  const namespaces = '--mount --propagation private --pid --fork --kill-child'.split(' ');
  await runLogged('oci', 'unshare', [...namespaces, 'sh', '-c', STEP, 'sh', stage, cwd, command], { env });
}

/** What the build does not see: the file has paths only, no patterns. */
function ignored() {
  const text = readFileSync(join(sources, 'Dockerfile.dockerignore'), 'utf8');
  return new Set(text.split('\n').filter(Boolean));
}

/** Copies what the step names; the last part of a source may have a star. */
function copyStep({ from, source, target }, stage, cwd) {
  const context = from === undefined ? root : join(ociDir, from);
  const to = join(stage, resolve(cwd, target));
  if (source === '.') {
    const left = ignored();
    const filter = (path) => !left.has(relative(root, path));
    // One by one: the copy lies below one that is left out.
    for (const name of readdirSync(root).filter((entry) => !left.has(entry)))
      cpSync(join(root, name), join(to, name), { recursive: true, filter });
    return;
  }
  const dir = join(context, dirname(source));
  const [before, after = ''] = basename(source).split('*');
  const named = (name) =>
    basename(source).includes('*') ? name.startsWith(before) && name.endsWith(after) : name === before;
  const found = readdirSync(dir).filter(named);
  if (found.length === 0) throw new TaskError(`the Dockerfile copies ${source}, which is not there`);
  for (const name of found) cpSync(join(dir, name), target.endsWith('/') ? join(to, name) : to, { recursive: true });
}

async function buildStage({ base, steps }, dir) {
  const [, codename] = /^debian:(\w+)(?:-slim)?$/.exec(base) ?? [];
  if (codename === undefined) throw new TaskError(`the Dockerfile begins with ${base}, which debootstrap cannot make`);
  await runLogged('oci', 'cp', ['-a', await ensureBase(codename), dir]);
  let cwd = '/';
  for (const step of steps) {
    if (step.kind === 'WORKDIR') mkdirSync(join(dir, (cwd = resolve(cwd, step.path))), { recursive: true });
    else if (step.kind === 'COPY') copyStep(step, dir, cwd);
    else await runInStage(dir, cwd, step.command);
  }
}

/** Builds all stages, and leaves them in `ociDir`; nothing is done where they are there, of the same sources. */
export async function ensureImage() {
  const print = fingerprint(filesBelow('.', ['.git', 'build', 'node_modules', 'test']));
  if (isCurrent('oci', print, ['build/package/oci/image.json'])) return;
  if (process.getuid() !== 0) throw new TaskError('chroot needs root', 'sudo npm run package:oci');
  const stages = readDockerfile(readFileSync(join(sources, 'Dockerfile'), 'utf8'));
  rmSync(ociDir, { recursive: true, force: true });
  mkdirSync(ociDir, { recursive: true });
  for (const stage of stages) {
    const name = stage === stages.at(-1) ? 'image' : stage.name;
    say(`- building the image's stage ${name} (chroot, below build/)`);
    const partial = join(ociDir, `${name}.partial`);
    await buildStage(stage, partial);
    renameSync(partial, join(ociDir, name));
  }
  writeFileSync(join(ociDir, 'image.json'), JSON.stringify(stages.at(-1).settings, null, 2));
  record('oci', print);
}

/** Builds the Debian package of another version where the image's was built: for the image's release. */
export async function buildDebOfImage(version) {
  await runInStage(join(ociDir, 'build'), '/src', `node .ci/package-deb.mjs --version ${version}`);
}
