// Debian packages, built by debhelper in build/package from packaging/debian and the staged tree.
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manifest, serviceText, stage } from './stage.mjs';
import { TaskError, ask, root, runLogged, say } from './task.mjs';

export const outputDir = join(root, 'build/package');

/** Debian's release that this is, such as { codename: 'bookworm', number: '12' }. */
export function thisRelease() {
  const text = readFileSync('/etc/os-release', 'utf8');
  const field = (name) => new RegExp(`^${name}="?([^"\\n]*)`, 'm').exec(text)?.[1];
  const [codename, number] = [field('VERSION_CODENAME'), field('VERSION_ID')];
  if (field('ID') !== 'debian' || codename === undefined || number === undefined)
    throw new TaskError('packages for Debian are built on Debian, for its own release', 'less docs/install.md');
  return { codename, number };
}

/** Of the last commit: the same sources give the same package. */
async function sourceDate() {
  const committed = process.env.SOURCE_DATE_EPOCH ?? (await ask('git', ['log', '-1', '--format=%ct']));
  return new Date(committed === undefined ? Date.now() : Number(committed.trim()) * 1000);
}

function changelog(version, codename, date) {
  const when = date.toUTCString().replace('GMT', '+0000');
  return `vhost-host (${version}) ${codename}; urgency=medium\n\n  * Version ${version}.\n\n -- ${manifest.author}  ${when}\n`;
}

/** Builds the package of what is built in this clone; returns its path. */
export async function buildDeb(version = manifest.version) {
  const { codename, number } = thisRelease();
  const debVersion = `${version}-1~deb${number}`;
  const home = join(outputDir, `deb-${codename}`);
  const tree = join(home, `vhost-host-${version}`);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  await stage(join(tree, 'stage'), version);
  cpSync(join(root, 'packaging/debian'), join(tree, 'debian'), { recursive: true });
  const control = join(tree, 'debian/control');
  writeFileSync(
    control,
    readFileSync(control, 'utf8').replace('@AUTHOR@', () => manifest.author),
  );
  const date = await sourceDate();
  writeFileSync(join(tree, 'debian/changelog'), changelog(debVersion, codename, date));
  writeFileSync(join(tree, 'debian/vhost-host.service'), await serviceText());
  const epoch = String(Math.floor(date.getTime() / 1000));
  const env = { ...process.env, SOURCE_DATE_EPOCH: epoch, DEB_BUILD_OPTIONS: 'noautodbgsym' };
  await runLogged('deb', 'dpkg-buildpackage', ['-b', '-us', '-uc'], { cwd: tree, env });
  const name = readdirSync(home).find((file) => file.endsWith('.deb'));
  const result = join(outputDir, name);
  renameSync(join(home, name), result);
  rmSync(home, { recursive: true, force: true });
  say(`- built ${result}`);
  return result;
}
