// The .rpm of packaging/rpm, by rpmbuild in build/package, from the same staged tree as Debian's.
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { release } from './native.mjs';
import { manifest, serviceText, stage } from './stage.mjs';
import { root, runLogged, say } from './task.mjs';

const outputDir = join(root, 'build/package');

/** Builds the package of what is built in this clone; returns its path. */
export async function buildRpm() {
  const home = join(outputDir, 'rpm');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const tree = join(home, 'stage');
  await stage(tree, manifest.version);
  for (const name of readdirSync(join(tree, 'usr/lib/vhost-host', release)))
    await runLogged('rpm', 'strip', ['--strip-unneeded', join(tree, 'usr/lib/vhost-host', release, name)]);
  copyFileSync(join(root, 'LICENSE'), join(home, 'LICENSE'));
  writeFileSync(join(home, 'vhost-host.service'), await serviceText());
  for (const name of ['vhost-host.sysusers', 'vhost-host.tmpfiles'])
    copyFileSync(join(root, 'packaging/debian', name), join(home, name));
  const defined = {
    _topdir: `${home}/top`,
    _sourcedir: home,
    vhost_host_version: manifest.version,
    packager: manifest.author,
  };
  const options = Object.entries(defined).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
  // What it requires is named by the tools of another distribution, which are not there on Debian.
  await runLogged('rpm', 'rpmbuild', ['-bb', '--nodeps', ...options, join(root, 'packaging/rpm/vhost-host.spec')]);
  const dir = join(home, 'top/RPMS/x86_64');
  const [name] = readdirSync(dir);
  renameSync(join(dir, name), join(outputDir, name));
  rmSync(home, { recursive: true, force: true });
  say(`- built ${join(outputDir, name)}`);
  return join(outputDir, name);
}
