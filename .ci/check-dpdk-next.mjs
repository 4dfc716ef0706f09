#!/usr/bin/env node
// Compiles native/dpdk and native/addon against the headers of DPDK 24.11 (Debian 13's), which nothing here links.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesBelow } from './lib/stamp.mjs';
import { TaskError, ask, main, root, runLogged, say } from './lib/task.mjs';

const suite = 'trixie';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const home = join(root, 'build/dpdk-next');
const includes = ['usr/include/dpdk', 'usr/include/x86_64-linux-gnu/dpdk', 'usr/include/aarch64-linux-gnu/dpdk'];

/** The mirror that this system uses for Debian itself. */
async function mirror() {
  const list = await ask('apt-get', ['indextargets', '--format', '$(REPO_URI) $(CODENAME)']);
  const line = list?.split('\n').find((text) => / bookworm$/.test(text));
  if (line === undefined) throw new TaskError('no Debian 12 mirror among the apt sources', 'apt-get update');
  return line.split(' ')[0];
}

/** Unpacks the headers into build/dpdk-next, with apt state of its own: the system's sources stay as they are. */
async function fetchHeaders() {
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
  ].flatMap((option) => ['-o', option]);
  await runLogged('dpdk-next', 'apt-get', [...options, 'update']);
  await runLogged('dpdk-next', 'apt-get', [...options, 'download', 'libdpdk-dev'], { cwd: partial });
  const deb = readdirSync(partial).find((name) => name.endsWith('.deb'));
  await runLogged('dpdk-next', 'dpkg-deb', ['-x', join(partial, deb), join(partial, 'root')]);
  rmSync(home, { recursive: true, force: true });
  renameSync(join(partial, 'root'), home);
  rmSync(partial, { recursive: true, force: true });
}

await main('check-dpdk-next', async () => {
  if (!existsSync(home)) {
    say(`- fetching the headers of DPDK 24.11 (Debian ${suite}, unpacked below build/, not installed)`);
    await fetchHeaders();
  }
  const node = join(dirname(dirname(process.execPath)), 'include/node');
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', `-I${node}`];
  const dirs = includes.map((dir) => join(home, dir)).filter(existsSync);
  const config = join(dirs.at(-1), 'rte_config.h');
  const machine = process.arch === 'x64' ? ['-march=corei7'] : [];
  const sources = ['native/dpdk', ...(existsSync(node) ? ['native/addon'] : [])].flatMap((dir) =>
    filesBelow(dir, []).filter((file) => file.endsWith('.c')),
  );
  const common = [...flags, ...machine, ...dirs.map((dir) => `-I${dir}`), '-include', config];
  await runLogged('dpdk-next', 'cc', [...common, ...sources]);
  say(`- ${sources.length} native sources compile against DPDK 24.11 as well`);
});
