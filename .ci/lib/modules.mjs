import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TaskError, runLogged } from './task.mjs';
import { unpackers } from './unpackers.mjs';

/** Modules of an unpacked Debian kernel package, which need not be the package of the Debian that runs here. */

/** As many paths as one command line surely takes. */
const batch = 1000;

/** `virtio-net.ko` and `kernel/drivers/net/virtio_net.ko` are one module to the kernel. */
const nameOf = (path) => basename(path, '.ko').replaceAll('-', '_');

/**
 * Makes the modules below `kernelDir` what insmod of busybox and the tests read, wherever they were and however packed:
 * `lib/modules/VERSION/…/NAME.ko`, with `modules.dep`. Return: the version.
 */
export async function layOutModules(kernelDir) {
  const home = join(kernelDir, 'lib/modules');
  if (!existsSync(home)) {
    mkdirSync(join(kernelDir, 'lib'), { recursive: true });
    renameSync(join(kernelDir, 'usr/lib/modules'), home);
  }
  const [version] = readdirSync(home);
  const files = readdirSync(join(home, version), { recursive: true });
  for (const [end, [command, ...options]] of Object.entries(unpackers)) {
    const packed = files.filter((path) => path.endsWith(`.ko.${end}`));
    for (let at = 0; at < packed.length; at += batch)
      await runLogged('guest', command, [...options, ...packed.slice(at, at + batch)], { cwd: join(home, version) });
  }
  await runLogged('guest', 'busybox', ['depmod', '-b', kernelDir, version]);
  return version;
}

/** Paths of the wanted modules and all they depend on, in the order in which they load, without those built in. */
export function moduleOrder(modulesDir, wantedModules) {
  const needs = new Map();
  for (const line of readFileSync(join(modulesDir, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest] = line.split(':');
    if (rest !== undefined) needs.set(path, rest.trim().split(/\s+/).filter(Boolean));
  }
  const builtin = new Set(readFileSync(join(modulesDir, 'modules.builtin'), 'utf8').split('\n').map(nameOf));
  const ordered = [];
  const visit = (path) => {
    for (const need of needs.get(path) ?? []) visit(need);
    if (!ordered.includes(path)) ordered.push(path);
  };
  for (const name of wantedModules.map(nameOf)) {
    const path = [...needs.keys()].find((key) => nameOf(key) === name);
    if (path !== undefined) visit(path);
    else if (!builtin.has(name)) throw new TaskError(`the kernel has no module ${name}`, `rm -r ${modulesDir}`);
  }
  return ordered;
}
