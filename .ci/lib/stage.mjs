// The tree that every package installs: programs below usr/lib/vhost-host, laid out as in a clone, so that they find
// each other in the same way; man pages, completion, and what systemd, AppArmor and libvirt can be given.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './task.mjs';

const home = '/usr/lib/vhost-host';
const native = 'native/build/Release';
const preparation = [
  ...['prepare-planner', 'lib/compile-planner', 'lib/task'].map((name) => `.ci/${name}.mjs`),
  ...['common/node-flags', 'cli/wrap/code-cache'].map((name) => `build/src/${name}.js`),
];
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const ours = (name) => import(pathToFileURL(join(root, 'build/src', name)));

/** Licences of what the bundle contains. */
export function notices() {
  return JSON.parse(readFileSync(join(root, 'build/bundle/packages.json'), 'utf8'))
    .map((path) => {
      const dir = join(root, path);
      const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
      const file = readdirSync(dir).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
      const text = file === undefined ? '' : `\n${readFileSync(join(dir, file), 'utf8').trim()}\n`;
      return `== ${name} ${version} (${license})\n${text}`;
    })
    .join('\n');
}

function put(dir, path, text, mode = 0o644) {
  const file = join(dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

function copy(dir, from, to) {
  const program = (statSync(join(root, from)).mode & 0o100) !== 0;
  put(dir, to, readFileSync(join(root, from)), program ? 0o755 : 0o644);
}

function stagePrograms(dir, version) {
  const { name, license } = manifest;
  put(dir, `${home}/package.json`, `${JSON.stringify({ name, version, license, type: 'module' }, null, 2)}\n`);
  copy(dir, 'bin/vhost-host', `${home}/bin/vhost-host`);
  for (const program of ['vh-launch', 'vh-cuse']) copy(dir, `${native}/${program}`, `${home}/${native}/${program}`);
  put(dir, `${home}/${native}/vhost_host.node`, readFileSync(join(root, native, 'vhost_host.node')));
  // What was made for the Node of this machine is made anew on the one that installs it, by what stands below.
  const filter = (file) => !/(\.code|\/node\.seen)$/.test(file);
  cpSync(join(root, 'build/bundle/cli'), join(dir, home, 'build/bundle/cli'), { recursive: true, filter });
  for (const name of preparation) copy(dir, name, `${home}/${name}`);
  mkdirSync(join(dir, 'usr/bin'), { recursive: true });
  symlinkSync(`../lib/vhost-host/bin/vhost-host`, join(dir, 'usr/bin/vhost-host'));
}

/** Each is made by the very function that set-up on the host makes it with. */
async function stageIntegration(dir) {
  const { wrapperText } = await ours('libvirt/install/wrapper.js');
  const { hookText } = await ours('libvirt/install/hook.js');
  const { apparmorRules } = await ours('libvirt/install/apparmor-rules.js');
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
  const { unitBody } = await ours('hostsetup/service/unit.js');
  const head = '# From the package of vhost-host; changes belong into: systemctl edit vhost-host.service\n';
  return `${head}${unitBody({ binary: `${home}/bin/vhost-host`, config: undefined })}`;
}

/** Where each shell looks for what packages bring; the place for zsh is Debian's, and the spec for rpm moves it. */
const completions = {
  'vhost-host.bash': 'bash-completion/completions/vhost-host',
  'vhost-host.fish': 'fish/vendor_completions.d/vhost-host.fish',
  '_vhost-host': 'zsh/vendor-completions/_vhost-host',
};

const schemas = ['openapi.json', 'switch.schema.json', 'qemu-wrap.schema.json'];

/** What `npm run reference` has written. */
function stageReference(dir) {
  for (const page of readdirSync(join(root, 'man')))
    copy(dir, `man/${page}`, `usr/share/man/man${page.at(-1)}/${page}`);
  for (const [name, place] of Object.entries(completions))
    copy(dir, `contrib/completion/${name}`, `usr/share/${place}`);
  for (const name of schemas) copy(dir, `docs/reference/${name}`, `usr/share/vhost-host/${name}`);
  const docs = 'usr/share/doc/vhost-host/docs/reference';
  for (const name of ['cli.md', 'drop-reasons.md']) copy(dir, `docs/reference/${name}`, `${docs}/${name}`);
  // Where docs/api.md refers to them.
  for (const name of schemas) symlinkSync(`../../../../vhost-host/${name}`, join(dir, docs, name));
}

/** Fills `dir` anew, for a package of that version. */
export async function stage(dir, version) {
  rmSync(dir, { recursive: true, force: true });
  stagePrograms(dir, version);
  await stageIntegration(dir);
  stageReference(dir);
  put(dir, 'usr/share/doc/vhost-host/NOTICE', notices());
  for (const name of ['README.md', 'CHANGELOG.md']) copy(dir, name, `usr/share/doc/vhost-host/${name}`);
  for (const name of readdirSync(join(root, 'docs')).filter((file) => /\.(md|svg)$/.test(file)))
    copy(dir, `docs/${name}`, `usr/share/doc/vhost-host/docs/${name}`);
}
