import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { updateLists } from './packages.mjs';
import { TaskError, ask, root, runLogged, say } from './task.mjs';

/** The switch that `npm run bench` compares with; its packages are only unpacked here, never installed. */
const packages = ['openvswitch-switch-dpdk', 'openvswitch-switch', 'openvswitch-common'];
const programs = [
  'usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk',
  'usr/sbin/ovsdb-server',
  'usr/bin/ovsdb-tool',
  'usr/bin/ovs-vsctl',
];
const ovsDir = join(root, 'build/ovs');

/** Directories with libraries below `dir`, as LD_LIBRARY_PATH wants them. */
function libraryPath(dir) {
  const base = join(dir, 'usr/lib');
  const triplets = readdirSync(base).filter((name) => name.endsWith('-linux-gnu'));
  return triplets.map((name) => join(base, name)).join(':');
}

/** Names of shared libraries that the programs below `dir` do not find. */
async function missingLibraries(dir) {
  const missing = new Set();
  for (const program of programs) {
    const listing = await ask('ldd', [join(dir, program)], {
      env: { ...process.env, LD_LIBRARY_PATH: libraryPath(dir) },
    });
    if (listing === undefined) throw new TaskError(`ldd cannot read ${program} of Open vSwitch`);
    for (const [, name] of listing.matchAll(/^\s*(\S+) => not found/gm)) missing.add(name);
  }
  return [...missing];
}

/** Library packages that Open vSwitch depends on, however indirectly, and that are not installed. */
async function absentLibraryPackages() {
  const without = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const depends = (await ask('apt-cache', ['depends', '--recurse', ...without, packages[0]])) ?? '';
  const installed = (await ask('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n'])) ?? '';
  const present = new Set([...installed.matchAll(/^(\S+) installed$/gm)].map(([, name]) => name));
  return [...new Set(depends.match(/^lib\S+/gm) ?? [])].filter((name) => !name.includes(':') && !present.has(name));
}

async function unpack(dir, names) {
  const debs = join(dir, 'debs');
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  await runLogged('ovs', 'apt-get', ['download', ...names], { cwd: debs });
  for (const deb of readdirSync(debs)) await runLogged('ovs', 'dpkg-deb', ['-x', join(debs, deb), dir]);
  rmSync(debs, { recursive: true });
}

async function fetch(dir) {
  try {
    await unpack(dir, packages);
  } catch (error) {
    // Lists that are missing or name a version that is gone from the mirror.
    if (process.getuid() !== 0) throw error;
    await updateLists();
    await unpack(dir, packages);
  }
  if ((await missingLibraries(dir)).length > 0) await unpack(dir, await absentLibraryPackages());
  const missing = await missingLibraries(dir);
  if (missing.length > 0) throw new TaskError(`Open vSwitch lacks ${missing.join(' ')}`, 'less build/log/ovs.log');
}

/**
 * Makes build/ovs. Without it the bench still measures this switch, so a failure here is told, with what to do, and is
 * not an error; the bench says the same in its report.
 */
export async function ensureOvs() {
  if (existsSync(join(ovsDir, 'ready'))) return;
  say('- fetching Open vSwitch with DPDK, to compare with (unpacked below build/ovs, not installed)');
  const partial = `${ovsDir}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    await fetch(partial);
    writeFileSync(join(partial, 'ready'), `${libraryPath(partial).replaceAll(partial, ovsDir)}\n`);
    rmSync(ovsDir, { recursive: true, force: true });
    renameSync(partial, ovsDir);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!(error instanceof TaskError)) throw error;
    say(`- no Open vSwitch to compare with: ${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
  }
}
