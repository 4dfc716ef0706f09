#!/usr/bin/env node
// Compiles all of native/ that is not specific to a processor for aarch64, against Debian's own headers for it.
import { join } from 'node:path';
import { thisRelease } from './lib/deb.mjs';
import { fetchPackages } from './lib/suite.mjs';
import { filesBelow } from './lib/stamp.mjs';
import { main, root, runLogged, say } from './lib/task.mjs';

const home = join(root, 'build/aarch64-headers');
const packages = ['libc6-dev', 'linux-libc-dev', 'libdpdk-dev', 'libbsd-dev', 'libfuse3-dev'];
const dirs = [
  'usr/include',
  'usr/include/fuse3',
  'usr/include/aarch64-linux-gnu',
  'usr/include/dpdk',
  'usr/include/aarch64-linux-gnu/dpdk',
];
/** Code, and not only its grammar: inline assembly is looked at by the assembler. */
const flags = ['-std=gnu11', '-O0', '-Wall', '-Wextra', '-Wconversion', '-Werror', '-S', '-o', '/dev/null'];

await main('check-aarch64', async () => {
  const { codename: suite } = thisRelease();
  const what = `the headers of Debian ${suite} for aarch64`;
  await fetchPackages('aarch64', { home, suite, packages, architecture: 'arm64', what });
  const config = join(home, dirs.at(-1), 'rte_config.h');
  const common = ['--target=aarch64-linux-gnu', ...flags, ...dirs.map((dir) => `-isystem${join(home, dir)}`)];
  const sources = [
    'native/base',
    'native/virtio',
    'native/switch',
    'native/dpdk',
    'native/launch',
    'native/cuse',
  ].flatMap((dir) => filesBelow(dir, []).filter((file) => file.endsWith('.c')));
  for (const source of sources) {
    // The launcher says so itself.
    const gnu = source.includes('native/launch/') ? [] : ['-D_GNU_SOURCE'];
    const dpdk = source.includes('native/dpdk/') ? ['-include', config] : [];
    await runLogged('aarch64', 'clang', [...common, ...gnu, ...dpdk, source]);
  }
  say(`- ${sources.length} native sources compile for aarch64 as well`);
});
