// The tree that every package installs: programs below usr/lib/vhost-host, laid out as in a clone, so that they find
// each other in the same way; man pages, completion, and what systemd, AppArmor and libvirt can be given.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { completion, manPage } from './pages.mjs';
import { root } from './task.mjs';

const home = '/usr/lib/vhost-host';
const native = 'native/build/Release';
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const ours = (name) => import(pathToFileURL(join(root, 'build/src', name)));

/** Licences of what the bundle contains: every package that ours needs to run, and what those need. */
export function notices() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const found = new Map();
  const visit = (name, from) => {
    // As Node looks it up: beside who asks for it, and then outwards.
    for (let at = from; ; at = at.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
      const path = `${at}${at === '' ? '' : '/'}node_modules/${name}`;
      if (packages[path] !== undefined) {
        if (found.has(path)) return;
        found.set(path, packages[path]);
        for (const needed of Object.keys(packages[path].dependencies ?? {})) visit(needed, path);
        return;
      }
      if (at === '') return;
    }
  };
  for (const name of bundledPackages()) visit(name, '');
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { version, license }]) => {
      const dir = join(root, path);
      const file = readdirSync(dir).find((name) => /^(licen[cs]e|copying)/i.test(name));
      const text = file === undefined ? '' : `\n${readFileSync(join(dir, file), 'utf8').trim()}\n`;
      return `== ${path.replace(/^.*node_modules\//, '')} ${version} (${license})\n${text}`;
    })
    .join('\n');
}

function bundledPackages() {
  return Object.keys(manifest.dependencies ?? {});
}

function put(dir, path, text, mode = 0o644) {
  const file = join(dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

function copy(dir, from, to, mode = 0o644) {
  put(dir, to, readFileSync(join(root, from)), mode);
}

function stagePrograms(dir, version) {
  const { name, license } = manifest;
  put(dir, `${home}/package.json`, `${JSON.stringify({ name, version, license, type: 'module' }, null, 2)}\n`);
  copy(dir, 'bin/vhost-host', `${home}/bin/vhost-host`, 0o755);
  for (const program of ['vh-launch', 'vh-cuse'])
    copy(dir, `${native}/${program}`, `${home}/${native}/${program}`, 0o755);
  copy(dir, `${native}/vhost_host.node`, `${home}/${native}/vhost_host.node`);
  cpSync(join(root, 'build/bundle'), join(dir, home, 'build/bundle'), { recursive: true });
  mkdirSync(join(dir, 'usr/bin'), { recursive: true });
  symlinkSync(`../lib/vhost-host/bin/vhost-host`, join(dir, 'usr/bin/vhost-host'));
}

/** Each is made by the very function that set-up on the host makes it with. */
async function stageIntegration(dir) {
  const { wrapperText } = await ours('libvirt/install-wrapper.js');
  const { hookText } = await ours('libvirt/hook-step.js');
  const { apparmorRules } = await ours('libvirt/apparmor-rules.js');
  const launcher = `${home}/${native}/vh-launch`;
  const runDir = '/run/vhost-host';
  const node = '/usr/bin/node';
  put(dir, 'usr/bin/qemu-wrap', wrapperText(launcher), 0o755);
  const examples = 'usr/share/doc/vhost-host/examples';
  for (const name of readdirSync(join(root, 'packaging/examples')))
    copy(dir, `packaging/examples/${name}`, `${examples}/${name}`);
  put(dir, `${examples}/libvirt-hook-qemu`, hookText({ node, packageRoot: home, runDir }), 0o755);
  const paths = { wrapper: '/usr/bin/qemu-wrap', launcher, node, packageRoot: home, runDir };
  const emulator = '/usr/bin/qemu-system-x86_64';
  put(dir, `${examples}/apparmor-libvirt-qemu`, apparmorRules({ ...paths, emulator, deviceBase: 'usvhost' }, ''));
}

/** The unit, without a word on who installed it: systemd's directory differs from one distribution to the other. */
export async function serviceText() {
  const { unitBody } = await ours('hostsetup/service-unit.js');
  const head = '# From the package of vhost-host; changes belong into: systemctl edit vhost-host.service\n';
  return `${head}${unitBody({ binary: `${home}/bin/vhost-host`, config: undefined })}`;
}

/** Fills `dir` anew, for a package of that version. */
export async function stage(dir, version) {
  rmSync(dir, { recursive: true, force: true });
  stagePrograms(dir, version);
  await stageIntegration(dir);
  put(dir, 'usr/share/man/man1/vhost-host.1', await manPage(version));
  copy(dir, 'man/qemu-wrap.1', 'usr/share/man/man1/qemu-wrap.1');
  put(dir, 'usr/share/bash-completion/completions/vhost-host', await completion());
  put(dir, 'usr/share/doc/vhost-host/NOTICE', notices());
  copy(dir, 'README.md', 'usr/share/doc/vhost-host/README.md');
  for (const name of ['install.md', 'libvirt.md'].filter((doc) => existsSync(join(root, 'docs', doc))))
    copy(dir, `docs/${name}`, `usr/share/doc/vhost-host/docs/${name}`);
}
