import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { frontEndPath } from '../frontend.js';
import type { FrontEndProgram } from '../frontend.js';
import { librariesOf } from '../guest-image.js';
import { root } from '../paths.js';

/** Where the package lies in the machine. */
const HOME = '/opt/vhost-host';
export const vhostHost = `${HOME}/build/src/cli/main.mjs`;

/** Programs of the tests' own in the machine. */
export const programs: readonly FrontEndProgram[] = ['talk', 'ask'];

/** For packages in the bundle that are CommonJS. */
const banner = `
import { createRequire } from 'node:module';
import { dirname as dirnameOfModule } from 'node:path';
const require = createRequire(import.meta.url), __filename = import.meta.filename ?? '', __dirname = dirnameOfModule(__filename);
`;

/** The command line and the daemon as one file: an emulated processor would take minutes for hundreds of them. */
function bundle(outfile: string): void {
  const how = ['--bundle', '--platform=node', '--format=esm', '--target=node20', '--minify', '--log-level=error'];
  const what = [`${root}build/src/cli/main.js`, `--outfile=${outfile}`, `--banner:js=${banner}`];
  // A process that ends: esbuild's own interface leaves one running.
  execFileSync(`${root}node_modules/.bin/esbuild`, [...how, ...what]);
}

/** EAL opens every driver plug-in it finds: only what the machine has use for is there. */
function plugins(): string[] {
  const libraries = execFileSync('pkg-config', ['--variable=libdir', 'libdpdk'], { encoding: 'utf8' }).trim();
  const home = join(libraries, 'dpdk');
  return readdirSync(home).flatMap((dir) =>
    readdirSync(join(home, dir))
      .filter((name) => /^librte_(bus_pci|bus_vdev|mempool_ring|net_e1000)\.so\.[\d.]+$/.test(name))
      .map((name) => join(home, dir, name)),
  );
}

/** Node, DPDK, the package as it was built, and the tests' programs; `dir`: for what is made. */
export function switchFiles(dir: string): (readonly [string, string])[] {
  const addon = 'native/build/Release/vhost_host.node';
  const linked = [process.execPath, `${root}${addon}`, ...plugins()];
  const asHere = [process.execPath, ...plugins(), ...linked.flatMap(librariesOf)];
  bundle(`${dir}/main.mjs`);
  return [
    ...asHere.map((path) => [path, path] as const),
    ...['package.json', addon].map((path) => [join(root, path), join(HOME, path)] as const),
    [`${dir}/main.mjs`, vhostHost],
    ...programs.map((name) => [frontEndPath(name), `/bin/${name}`] as const),
  ];
}
