import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesBelow, fingerprint, isCurrent, record } from './stamp.mjs';
import { TaskError, ask, root, runLogged, say } from './task.mjs';

export const release = 'native/build/Release';
/** What the build leaves: the addon, the launcher that becomes QEMU, and the bridge of /dev/usvhost-N. */
export const programs = ['vhost_host.node', 'vh-launch', 'vh-cuse'];
const outputs = programs.map((name) => `${release}/${name}`);
/** The same for npm's package, as prebuildify names directories. */
export const prebuilds = `build/prebuilds/linux-${process.arch}`;

/** Headers that came with this very Node; without them node-gyp fetches them. */
function headersOption() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** Builds the addon and the launcher; `rebuild` starts from nothing, `gyp` is node-gyp's program. */
export async function buildNative({ rebuild = false, gyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js') } = {}) {
  if ((await ask('pkg-config', ['--exists', 'libdpdk'])) === undefined) {
    throw new TaskError(
      'pkg-config finds no libdpdk (DPDK 22.11 or newer, with its headers)',
      'apt-get install --no-install-recommends libdpdk-dev pkg-config',
    );
  }
  if ((await ask('pkg-config', ['--exists', 'fuse3'])) === undefined) {
    throw new TaskError(
      'pkg-config finds no fuse3 (libfuse 3, with its headers)',
      'apt-get install --no-install-recommends libfuse3-dev',
    );
  }
  if (!existsSync(gyp)) throw new TaskError('node-gyp is not installed', 'npm ci');
  const dpdk = (await ask('pkg-config', ['--modversion', 'libdpdk'])).trim();
  const print = fingerprint(filesBelow('native', ['build', 'test', 'fuzz', 'bench']), process.version, dpdk);
  if (!rebuild && isCurrent('native', print, outputs)) return;
  say(`- building the native addon (DPDK ${dpdk})`);
  // `configure build` and not `rebuild`: make then compiles only what has changed.
  const steps = rebuild ? ['rebuild'] : ['configure', 'build'];
  await runLogged('native', process.execPath, [gyp, ...steps, '-j', '2', ...headersOption()], {
    cwd: join(root, 'native'),
  });
  record('native', print);
}
