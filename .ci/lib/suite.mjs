// Debian packages of any suite and architecture that are unpacked here and never installed.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TaskError, ask, runLogged, say } from './task.mjs';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror that this system uses for Debian itself. */
async function mirror() {
  const list = await ask('apt-get', ['indextargets', '--format', '$(REPO_URI) $(CODENAME)']);
  const line = list?.split('\n').find((text) => / bookworm$/.test(text));
  if (line === undefined) throw new TaskError('no Debian 12 mirror among the apt sources', 'apt-get update');
  return line.split(' ')[0];
}

/** Unpacks packages of a Debian suite into `home`, with apt state of its own: the system's stays as it is. */
export async function fetchPackages(log, { home, suite, packages, architecture, what }) {
  if (existsSync(home)) return;
  say(`- fetching ${what} (unpacked below build/, not installed)`);
  const partial = `${home}.partial`;
  rmSync(partial, { recursive: true, force: true });
  for (const dir of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(partial, dir), { recursive: true });
  const signed = existsSync(keyring) ? `[signed-by=${keyring}]` : '';
  writeFileSync(join(partial, 'sources.list'), `deb ${signed} ${await mirror()} ${suite} main\n`);
  const options = [
    `Dir::State::lists=${partial}/lists`,
    `Dir::Cache=${partial}/cache`,
    `Dir::Etc::sourcelist=${partial}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    'APT::Sandbox::User=root',
    ...(architecture === undefined ? [] : [`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`]),
  ].flatMap((option) => ['-o', option]);
  await runLogged(log, 'apt-get', [...options, 'update']);
  await runLogged(log, 'apt-get', [...options, 'download', ...packages], { cwd: partial });
  for (const deb of readdirSync(partial).filter((name) => name.endsWith('.deb'))) {
    await runLogged(log, 'dpkg-deb', ['-x', join(partial, deb), join(partial, 'root')]);
  }
  renameSync(join(partial, 'root'), home);
  rmSync(partial, { recursive: true, force: true });
}
