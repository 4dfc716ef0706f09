import assert from 'node:assert/strict';
import { runToEnd } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { root, tempDir } from '../helpers/paths.js';
import { ownRelease } from './clean-debian.js';
import { buildTask } from './debian-packages.js';

const DEADLINE_MS = 180_000;

/** What only one of both kinds has, by its own rules. */
const onlyOfDebian = /^\/usr\/share\/lintian\/|\/(changelog\.Debian|copyright|changelog|CHANGELOG\.md)$/;
const onlyOfRpm = /^\/usr\/share\/licenses\/|\/CHANGELOG\.md$/;

describe('the .rpm', function () {
  this.timeout(DEADLINE_MS);
  const scope = freshScope({ skip: () => (ownRelease === '' ? 'this is no Debian' : undefined) });

  async function run(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runToEnd(scope(), command, args, { deadline: DEADLINE_MS });
    assert.equal(code, 0, stderr);
    return stdout;
  }

  /** Names as both have them: the one compresses texts, and has units in another directory. */
  const plain = (path: string): string => path.replace(/\.gz$/, '').replace(/^\/lib\/systemd/, '/usr/lib/systemd');

  it("has Debian's files, with the same rights; its programs run where it is unpacked", async () => {
    const rpm = await buildTask('package-rpm.mjs');
    const deb = await buildTask('package-deb.mjs');
    const format = '[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\\n]';
    const ofRpm = (await run('rpm', '-qp', '--qf', format, rpm)).trim().split('\n');
    const ofDebian = (await run('dpkg-deb', '-c', deb))
      .trim()
      .split('\n')
      .map((line) => /^(\S+) (\S+) .* \.(\/.*?)( -> .*)?$/.exec(line)?.slice(1, 4).join(' ') ?? assert.fail(line));
    const list = (lines: string[], without: RegExp): string[] =>
      lines
        .map((line) => line.split(' '))
        .filter(([mode = '']) => !mode.startsWith('d'))
        .map(([mode = '', owner = '', path = '']) => `${mode} ${owner} ${plain(path)}`)
        .filter((line) => !without.test(line.split(' ')[2] ?? ''))
        .sort();
    assert.ok(ofRpm.length > 40);
    assert.deepEqual(list(ofRpm, onlyOfRpm), list(ofDebian, onlyOfDebian));
    const dir = await tempDir(scope());
    await run('sh', '-c', 'rpm2cpio "$1" | (cd "$2" && cpio -idm --quiet)', 'sh', rpm, dir);
    const version = await run(`${dir}/usr/bin/vhost-host`, '--version');
    assert.equal(`${version.trim()}-1`, await run('rpm', '-qp', '--qf', '%{VERSION}-%{RELEASE}', rpm));
  });

  it('asks for the libraries that it is linked with and for Node, and its scripts are shell', async () => {
    const rpm = await buildTask('package-rpm.mjs');
    const required = await run('rpm', '-qp', '--requires', rpm);
    assert.match(required, /^nodejs >= 1:20\.19$/m);
    assert.match(required, /^librte_vhost\.so\.\d+\(\)\(64bit\)$/m);
    assert.match(required, /^libfuse3\.so\.\d\(\)\(64bit\)$/m);
    assert.ok(!required.includes(root));
    const scripts = await run('rpm', '-qp', '--scripts', '--triggers', rpm);
    const bodies = scripts.split(/^\w+ scriptlet \(using \/bin\/sh[^\n]*\):\n|^triggerin scriptlet[^\n]*\n/m).slice(1);
    assert.equal(bodies.length, 4, scripts);
    for (const body of bodies) await run('sh', '-nc', body);
  });
});
