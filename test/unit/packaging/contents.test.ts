import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
// Staging loads it, and with it packages that make globals: before mocha looks for new ones.
import '../../../src/cli/program.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { root, tempDir } from '../../helpers/paths.js';

interface Step {
  readonly kind: string;
  readonly command?: string;
  readonly from?: string;
  readonly source?: string;
}
interface Modules {
  readonly stage: (dir: string, version: string) => Promise<void>;
  readonly readDockerfile: (text: string) => { name: string; steps: Step[]; settings: Record<string, string[]> }[];
}

const module = async (name: string): Promise<Modules> =>
  (await import(pathToFileURL(`${root}.ci/lib/${name}.mjs`).href)) as Modules;
const { stage } = await module('stage');
const { readDockerfile } = await module('dockerfile');
const text = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
const manifest = JSON.parse(text('package.json')) as {
  version: string;
  author: string;
  license: string;
  files: string[];
};

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

/** What `npm run test:package` installs, as far as that can be seen without building and installing it. */
describe('packages: contents', function () {
  this.timeout(60_000);
  const scope = freshScope();

  it('the tree that all install is whole, runs by itself, and tells nothing of the machine it was made on', async () => {
    const dir = await tempDir(scope());
    await stage(dir, '1.2.3');
    const files = filesOf(dir);
    const home = 'usr/lib/vhost-host';
    for (const name of ['vhost_host.node', 'vh-launch', 'vh-cuse'].map(
      (file) => `${home}/native/build/Release/${file}`,
    ))
      assert.ok(files.includes(name), name);
    for (const name of files.filter((file) => !file.startsWith(home) && !file.startsWith('usr/share/doc/')))
      assert.match(name, /^usr\/(bin|share\/(man\/man[18]|vhost-host|[a-z]+(-completion)?\/[a-z_-]+(\.d)?))\/[\w.-]+$/);
    for (const name of [
      'man/man1/qemu-wrap.1',
      'man/man8/vhost-host.8',
      'man/man8/vhost-host-vm.8',
      'bash-completion/completions/vhost-host',
      'fish/vendor_completions.d/vhost-host.fish',
      'zsh/vendor-completions/_vhost-host',
      'vhost-host/switch.schema.json',
      'vhost-host/qemu-wrap.schema.json',
      'vhost-host/openapi.json',
    ])
      assert.ok(files.includes(`usr/share/${name}`), name);
    assert.deepEqual(
      files.filter((name) => /\.(ts|map|code)$|node_modules|\/test\//.test(name)),
      [],
    );
    for (const name of files) {
      const { mode } = statSync(join(dir, name));
      assert.equal(mode & 0o022, 0, `${name} can be written by others`);
      if (/\.(node|code)$|vh-\w+$/.test(name)) continue;
      assert.ok(!readFileSync(join(dir, name), 'utf8').includes(root.slice(0, -1)), `${name} has ${root}`);
    }
    const program = join(dir, 'usr/bin/vhost-host');
    const { stdout, stderr } = spawnSync(program, ['--version'], { encoding: 'utf8', cwd: '/' });
    assert.equal(stdout, '1.2.3\n', stderr);
  });

  it('maintainer scripts are shell that ends at its first failure, and have the place for what debhelper adds', () => {
    const scripts = ['postinst', 'prerm', 'postrm'].map((name) => text(`packaging/debian/vhost-host.${name}`));
    for (const script of scripts) {
      assert.match(script, /^#!\/bin\/sh\nset -e\n/);
      assert.equal(script.match(/^#DEBHELPER#$/gm)?.length, 1);
      assert.equal(spawnSync('sh', ['-n'], { input: script }).status, 0);
      // An installation needs no network and no compiler.
      assert.doesNotMatch(script, /\b(npm|node-gyp|gcc|make|curl|wget)\b/);
    }
    const [postinst = '', prerm = '', postrm = ''] = scripts;
    assert.doesNotMatch(postinst, /systemctl[^\n]* (start|enable)\b/);
    assert.match(postinst, /try-restart vhost-host\.service/);
    assert.match(prerm, /"\$1" = remove/);
    assert.match(postrm, /"\$1" = purge/);
  });

  it("npm's package has what its scripts and programs need, and no test or source of ours in TypeScript", () => {
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'];
    const packed = spawnSync('npm', args, { cwd: root, encoding: 'utf8' });
    assert.equal(packed.status, 0, packed.stderr);
    const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    const needed = ['LICENSE', 'README.md', 'bin/vhost-host', 'bin/qemu-wrap', '.ci/install-native.mjs'];
    for (const path of [...needed, 'build/bundle/cli/main.js', 'native/binding.gyp'])
      assert.ok(paths.includes(path), path);
    for (const path of manifest.files) {
      if (path.includes('*') || path === 'build/prebuilds') continue;
      assert.ok(
        paths.some((name) => name === path || name.startsWith(`${path}/`)),
        `files names ${path}, which is not there`,
      );
    }
    // Whatever a packed script of set-up's imports is packed, too.
    for (const path of paths.filter((name) => name.startsWith('.ci/')))
      for (const [, name = ''] of text(path).matchAll(/ from '(\.[^']+)'/g)) {
        const wanted = join(path, '..', name);
        assert.ok(paths.includes(wanted), `${path} imports ${wanted}`);
      }
    assert.deepEqual(
      paths.filter((name) => /^(src|test|packaging)\/|\.ts$|^native\/(test|fuzz|bench|build)/.test(name)),
      [],
    );
  });

  it('the licence is the same everywhere', () => {
    const [, holder = '', terms = ''] = /^Copyright \(c\) \d+ (.*)\n\n([^]*)/m.exec(text('LICENSE')) ?? [];
    const debian = text('packaging/debian/copyright');
    assert.equal(manifest.license, 'BSD-3-Clause');
    assert.equal(holder, 'The vhost-host authors');
    assert.match(debian, new RegExp(`^Copyright: \\d+ ${holder}\nLicense: BSD-3-Clause$`, 'm'));
    assert.ok(debian.replace(/^ \.$/gm, '').replace(/^ /gm, '').endsWith(terms));
    assert.match(text('packaging/rpm/vhost-host.spec'), /^License: +BSD-3-Clause$/m);
  });

  it("who has made it stands in package.json alone, with an address that can be nobody else's", () => {
    const [, name, host] = /^(.*) <noreply@([\w.-]+)>$/.exec(manifest.author) ?? [];
    assert.equal(name, 'The vhost-host authors');
    // RFC 2606: a domain that nobody can own.
    assert.match(host ?? '', /\.example$/);
    for (const path of ['packaging', '.ci'])
      for (const file of filesOf(`${root}${path}`).map((found) => `${path}/${found}`))
        assert.doesNotMatch(text(file), /[\w.-]+@[\w-]+\.(example|org|com|net)\b/, file);
    assert.match(text('packaging/debian/control'), /^Maintainer: @AUTHOR@$/m);
  });

  it("rpm reads the spec, which takes its version from who builds; the image's steps are of kinds that can be tried", () => {
    const stages = readDockerfile(text('packaging/oci/Dockerfile'));
    assert.deepEqual(
      stages.map(({ name }) => name),
      ['build', '1'],
    );
    for (const { from } of stages.flatMap(({ steps }) => steps))
      assert.ok(from === undefined || stages.some(({ name }) => name === from));
    const { ENTRYPOINT, CMD, VOLUME } = stages.at(-1)?.settings ?? {};
    assert.deepEqual([...(ENTRYPOINT ?? []), ...(CMD ?? [])].slice(0, 2), ['vhost-host', 'start']);
    assert.deepEqual(VOLUME, ['/run/vhost-host']);
    assert.throws(() => readDockerfile('FROM debian:trixie\nADD . /'), /has ADD, which is not known here/);
    assert.throws(() => readDockerfile('RUN true'), /has RUN before FROM/);
    assert.throws(() => readDockerfile('FROM a\nCOPY --chown=1 a b'), /copies otherwise: --chown=1 a b/);
    const args = ['-P', '--define', 'vhost_host_version 1.2.3', `${root}packaging/rpm/vhost-host.spec`];
    const { status, stdout, stderr } = spawnSync('rpmspec', args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Version: +1\.2\.3$/m);
  });
});
