import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { runToEnd } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { root } from '../helpers/paths.js';
import { runInPrivateNamespace } from '../helpers/private-namespace.js';
import { Scope } from '../helpers/scope.js';
import { CLEAN_DEBIAN, needsDebian } from './clean-debian.js';

const OLDER = '0.0.9';
const DEADLINE_MS = 300_000;

/** A guest of iPXE alone, which asks for an address again and again: its port is ready then, and its address learned. */
const GUEST = `
guest() {
  inside qemu-wrap -name "guest=$1" -machine pc,accel=tcg -m 64 -nodefaults -display none -boot order=n,reboot-timeout=100 \\
    -netdev tap,id=n,vhost=on -device "virtio-net-pci,netdev=n,mac=$2" -daemonize -pidfile "/tmp/$1.pid"
}
are_ready() { [ "$(inside vhost-host ports | grep -c ready)" = "$1" ]; }
# Programs on Node in here, of which there is no other.
switches() { ls -l proc/[0-9]*/exe 2>/dev/null | grep -c 'bin/node'; }
are_known() { [ "$(inside vhost-host macs | grep -c 52:54:00:00:00)" = "$1" ]; }
`;

describe('the Debian package', function () {
  this.timeout(DEADLINE_MS);
  const scope = freshScope({ skip: needsDebian });
  let packages: { older: string; newer: string };

  async function build(...args: string[]): Promise<string> {
    const within = new Scope();
    try {
      const made = await runToEnd(within, process.execPath, [`${root}.ci/package-deb.mjs`, ...args], {
        deadline: DEADLINE_MS,
      });
      assert.equal(made.code, 0, made.stderr);
      return /^- built (.*)$/m.exec(made.stderr)?.[1] ?? assert.fail(made.stderr);
    } finally {
      await within.close();
    }
  }

  before(async function () {
    if (needsDebian() === undefined) packages = { older: await build('--version', OLDER), newer: await build() };
  });

  async function inDebian(script: string): Promise<string> {
    const { older, newer } = packages;
    const head = `${CLEAN_DEBIAN}\ncp ${older} older.deb\ncp ${newer} newer.deb\n`;
    const { code, stdout, stderr } = await runInPrivateNamespace(scope(), `${head}${script}`, DEADLINE_MS);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    return stdout;
  }

  it('has nothing that lintian calls an error, and needs no compiler and no npm', async () => {
    const checked = await runToEnd(scope(), 'lintian', ['--fail-on', 'error', packages.newer], { deadline: 60_000 });
    assert.equal(checked.code, 0, checked.stdout);
    const { stdout } = await runToEnd(scope(), 'dpkg-deb', ['-f', packages.newer, 'Depends'], { deadline: 60_000 });
    assert.match(stdout, /nodejs \(>= 20\.19\)/);
    assert.match(stdout, /librte-eal\d+/);
    assert.match(stdout, /libfuse3-/);
    assert.doesNotMatch(stdout, /gcc|make|npm|-dev\b|python/);
    assert.deepEqual(
      (await readdir(`${root}build/package`)).filter((name) => /^deb-/.test(name)),
      [],
    );
  });

  it('is installed without network, starts nothing, and runs; an upgrade keeps guests; purged, it leaves nothing', async () => {
    const stdout = await inDebian(`${GUEST}
      files > "$work/before"
      install /nodejs.deb /older.deb qemu-system-x86 seabios ipxe-qemu
      echo "running: $(switches)"
      echo "enabled: $(find etc/systemd -name '*vhost-host*' | wc -l)"
      echo "version: $(inside vhost-host --version)"
      echo "prepared: $(cut -d' ' -f5 usr/lib/vhost-host/build/bundle/cli/node.seen)" "$(ls usr/lib/vhost-host/build/bundle/cli | grep -c 'code$')"
      inside qemu-wrap --explain=json -netdev tap,id=n,vhost=on -device virtio-net-pci,netdev=n
      inside bash -c '. /usr/share/bash-completion/completions/vhost-host; complete -p vhost-host'
      guest x 52:54:00:00:00:03
      inside sh -c 'kill $(cat /tmp/x.pid)'
      inside vhost-host stop
      inside vhost-host start
      echo "running: $(switches)"
      guest a 52:54:00:00:00:01
      guest b 52:54:00:00:00:02
      eventually are_ready 2
      eventually are_known 2
      inside apt-get install -qq -y /newer.deb 2>&1 | grep '^vhost-host:' || true
      eventually are_ready 2
      echo "version: $(inside vhost-host --version)"
      echo "the switch: $(inside vhost-host status | sed -n 's/^version *//p')"
      inside vhost-host stop
      inside vhost-host start
      echo "the switch: $(inside vhost-host status | sed -n 's/^version *//p')"
      eventually are_ready 2
      inside sh -c 'kill $(cat /tmp/a.pid /tmp/b.pid)'
      eventually are_ready 0
      # A newer Node, or the same again: the package hears of it.
      inside apt-get install -qq -y --reinstall /nodejs.deb 2>&1 | grep 'triggers for vhost-host'
      ls usr/lib/vhost-host/build/bundle/cli | grep -c 'code$'
      echo '{}' > etc/vhost-host/switch.json
      # The switch still runs.
      inside apt-get purge -qq -y --auto-remove vhost-host nodejs qemu-system-x86 seabios ipxe-qemu 2>&1 | grep '^vhost-host\\|stopped$' || true
      echo "running: $(switches)"
      rm -rf tmp/*
      files > "$work/after"
      diff "$work/before" "$work/after" && echo 'as before'
    `);
    const lines = stdout.split('\n');
    const { version } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { version: string };
    assert.deepEqual(lines.slice(0, 3), ['running: 0', 'enabled: 0', `version: ${OLDER}`]);
    assert.match(stdout, /vhost-user/);
    assert.ok(lines.includes(`prepared: ${process.version} 1`), stdout);
    assert.match(stdout, /^running: 1$/m);
    assert.match(stdout, /complete -F _vhost_host vhost-host/);
    assert.match(stdout, /was started by hand and still runs version 0\.0\.9/);
    assert.match(stdout, new RegExp(`version: ${version}\nthe switch: ${OLDER} with DPDK .*\n`));
    assert.match(stdout, new RegExp(`the switch: ${version} with DPDK`));
    assert.match(stdout, /running: 0\nas before\n$/);
  });
});
