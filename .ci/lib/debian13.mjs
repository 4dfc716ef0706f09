// A Debian 13 below build/, for `npm run test:trixie`.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptSettings } from './access.mjs';
import { bootstrap } from './debian-root.mjs';
import { TaskError, root, say } from './task.mjs';

const suite = 'trixie';
export const home = join(root, 'build', suite);
const ready = join(home, 'etc/vhost-host-ready');
/** Where the clone is in there; also in debian13-init. */
const clone = join(home, 'srv/vhost-host');
/** All that README asks for, and the certificates that npm's registry is known by. */
const packages = ['nodejs', 'npm', 'ca-certificates'];
const ownCertificates = 'usr/local/share/ca-certificates';

/** What this machine's administrator set up, as of now. */
async function copySettings() {
  cpSync('/etc/resolv.conf', join(home, 'etc/resolv.conf'), { dereference: true });
  writeFileSync(join(home, 'etc/apt/apt.conf.d/90access'), await aptSettings(), { mode: 0o600 });
  if (existsSync(join('/', ownCertificates)))
    cpSync(join('/', ownCertificates), join(home, ownCertificates), { recursive: true });
}

async function makeSystem() {
  say('- making a Debian 13 to test in (debootstrap, below build/)');
  await bootstrap(suite, `${home}.partial`);
  rmSync(home, { recursive: true, force: true });
  renameSync(`${home}.partial`, home);
}

/** `run` runs a command in the system, and says whether it ended well. */
export async function ensureRoot(run) {
  if (!existsSync(home)) await makeSystem();
  await copySettings();
  if (existsSync(ready)) return;
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
  const steps = [
    [...apt, 'update'],
    [...apt, 'install', '-y', '--no-install-recommends', ...packages],
    ['update-ca-certificates'],
  ];
  for (const step of steps)
    if (!(await run(...step))) throw new TaskError(`${step.join(' ')} failed in Debian 13`, `rm -r ${home}`);
  writeFileSync(ready, '');
}

/** Puts this clone's files in there as they are now, committed or not; nothing that was built comes along. */
export function renewSources({ keep }) {
  const list = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  if (list.status !== 0) throw new TaskError(`git does not tell which files ${root} has`, `git -C ${root} status`);
  const files = list.stdout.toString().split('\0').filter(Boolean);
  const built = keep ? ['build', 'native', 'node_modules'] : [];
  mkdirSync(clone, { recursive: true });
  for (const name of readdirSync(clone)) {
    if (built.includes(name)) continue;
    rmSync(join(clone, name), { recursive: true, force: true });
  }
  for (const file of files.filter((name) => existsSync(join(root, name))))
    cpSync(join(root, file), join(clone, file), { verbatimSymlinks: true });
}
