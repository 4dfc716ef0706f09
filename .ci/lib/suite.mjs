// Debian packages of any suite and architecture that are unpacked here and never installed.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TaskError, ask, runLogged, say } from './task.mjs';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror that this system uses for Debian itself, of whatever release. */
export async function mirror() {
  const list = await ask('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN) $(LABEL) $(CODENAME)']);
  // Not those of updates, backports and security, which have other labels or longer names.
  const line = list?.split('\n').find((text) => / Debian Debian [a-z]+$/.test(text));
  if (line === undefined) throw new TaskError('no Debian mirror among the apt sources', 'apt-get update');
  return line.split(' ')[0];
}

/** Options of an apt with a state of its own in `dir`, which knows one suite; the system's stays as it is. */
async function ownApt(log, dir, { type, suite, architecture }) {
  rmSync(dir, { recursive: true, force: true });
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(dir, name), { recursive: true });
  const signed = existsSync(keyring) ? `[signed-by=${keyring}]` : '';
  writeFileSync(join(dir, 'sources.list'), `${type} ${signed} ${await mirror()} ${suite} main\n`);
  const options = [
    `Dir::State::lists=${dir}/lists`,
    `Dir::Cache=${dir}/cache`,
    `Dir::Etc::sourcelist=${dir}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    'APT::Sandbox::User=root',
    ...(architecture === undefined ? [] : [`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`]),
  ].flatMap((option) => ['-o', option]);
  await runLogged(log, 'apt-get', [...options, 'update']);
  return options;
}

/** Unpacks packages of a Debian suite into `home`. */
export async function fetchPackages(log, { home, suite, packages, architecture, what }) {
  if (existsSync(home)) return;
  say(`- fetching ${what} (unpacked below build/, not installed)`);
  const partial = `${home}.partial`;
  const options = await ownApt(log, partial, { type: 'deb', suite, architecture });
  await runLogged(log, 'apt-get', [...options, 'download', ...packages], { cwd: partial });
  for (const deb of readdirSync(partial).filter((name) => name.endsWith('.deb'))) {
    await runLogged(log, 'dpkg-deb', ['-x', join(partial, deb), join(partial, 'root')]);
  }
  renameSync(join(partial, 'root'), home);
  rmSync(partial, { recursive: true, force: true });
}

/** Unpacks the sources of a Debian suite's package into `home`, as their authors released them: without patches. */
export async function fetchSource(log, { home, suite, source, what }) {
  if (existsSync(home)) return;
  say(`- fetching ${what} (unpacked below build/)`);
  const partial = `${home}.partial`;
  const options = await ownApt(log, partial, { type: 'deb-src', suite });
  await runLogged(log, 'apt-get', [...options, 'source', '--download-only', '--tar-only', source], { cwd: partial });
  const archive = readdirSync(partial).find((name) => /\.orig\.tar\.\w+$/.test(name));
  if (archive === undefined) throw new TaskError(`Debian ${suite} has no sources of ${source}`);
  mkdirSync(join(partial, 'root'));
  const into = ['-C', join(partial, 'root'), '--strip-components=1', '--no-same-owner'];
  await runLogged(log, 'tar', ['-xf', join(partial, archive), ...into]);
  renameSync(join(partial, 'root'), home);
  rmSync(partial, { recursive: true, force: true });
}
