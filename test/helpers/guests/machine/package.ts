import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bundle } from '../../bundle.js';
import { frontEndPath } from '../../frontend.js';
import type { FrontEndProgram } from '../../frontend.js';
import { librariesOf } from '../guest-image.js';
import { root } from '../../paths.js';

/** Where the package lies in the machine. */
const HOME = '/opt/vhost-host';
export const vhostHost = `${HOME}/build/src/cli/main.mjs`;

/** Programs of the tests' own in the machine. */
export const programs: readonly FrontEndProgram[] = ['talk', 'ask'];

/** EAL opens every driver plug-in it finds, which takes an emulated processor half a minute: those of this name. */
export function drivers(names: RegExp): string[] {
  const libraries = execFileSync('pkg-config', ['--variable=libdir', 'libdpdk'], { encoding: 'utf8' }).trim();
  const home = join(libraries, 'dpdk');
  return readdirSync(home).flatMap((dir) =>
    readdirSync(join(home, dir))
      .filter((name) => names.test(/^librte_(\w+)\.so\.[\d.]+$/.exec(name)?.[1] ?? ''))
      .map((name) => join(home, dir, name)),
  );
}

/** Parts of itself that Debian's Node reads from files when it starts; others have them inside. */
function partsOfNode(): string[] {
  const programs = [process.execPath, ...librariesOf(process.execPath)].filter((path) => /node/.test(basename(path)));
  const named = programs.flatMap((path) => {
    const found = readFileSync(path, 'latin1').matchAll(/\/usr\/share\/nodejs\/[\w./-]+\.js/g);
    return [...found].map(([name]) => name);
  });
  return [...new Set(named)].filter(existsSync);
}

/** Node, DPDK, the package as it was built, and the tests' programs; `dir`: for what is made. */
export function switchFiles(dir: string): (readonly [string, string])[] {
  const addon = 'native/build/Release/vhost_host.node';
  const plugins = drivers(/^(bus_pci|bus_vdev|mempool_ring|net_e1000)$/);
  const linked = [process.execPath, `${root}${addon}`, ...plugins];
  const asHere = [process.execPath, ...partsOfNode(), ...plugins, ...linked.flatMap(librariesOf)];
  bundle('build/src/cli/main.js', `${dir}/main.mjs`);
  return [
    ...asHere.map((path) => [path, path] as const),
    ...['package.json', addon].map((path) => [join(root, path), join(HOME, path)] as const),
    [`${dir}/main.mjs`, vhostHost],
    ...programs.map((name) => [frontEndPath(name), `/bin/${name}`] as const),
  ];
}
