#!/usr/bin/env node
// Compiles native/dpdk and native/addon against the headers of DPDK 24.11 (Debian 13's), which nothing here links.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fetchPackages } from './lib/suite.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { main, root, runLogged, say } from './lib/task.mjs';

const suite = 'trixie';
const home = join(root, 'build/dpdk-next');
const includes = ['usr/include/dpdk', 'usr/include/x86_64-linux-gnu/dpdk', 'usr/include/aarch64-linux-gnu/dpdk'];

await main('check-dpdk-next', async () => {
  const what = `the headers of DPDK 24.11 (Debian ${suite})`;
  await fetchPackages('dpdk-next', { home, suite, packages: ['libdpdk-dev'], what });
  const node = join(dirname(dirname(process.execPath)), 'include/node');
  const flags = [
    '-std=c11',
    '-D_GNU_SOURCE',
    '-Wall',
    '-Wextra',
    '-Wconversion',
    '-Werror',
    '-fsyntax-only',
    `-I${node}`,
  ];
  const dirs = includes.map((dir) => join(home, dir)).filter(existsSync);
  const config = join(dirs.at(-1), 'rte_config.h');
  const machine = process.arch === 'x64' ? ['-march=corei7'] : [];
  const sources = ['native/dpdk', ...(existsSync(node) ? ['native/addon'] : [])].flatMap((dir) =>
    filesBelow(dir, []).filter((file) => file.endsWith('.c')),
  );
  const common = [...flags, ...machine, ...dirs.map((dir) => `-isystem${dir}`), '-include', config];
  await runLogged('dpdk-next', 'cc', [...common, ...sources]);
  say(`- ${sources.length} native sources compile against DPDK 24.11 as well`);
});
