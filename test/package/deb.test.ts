import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { runToEnd } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { root } from '../helpers/paths.js';
import { runInPrivateNamespace } from '../helpers/host/private-namespace.js';
import { inBootedDebian } from './booted-debian.js';
import { cleanDebian, needsDebian, ownRelease } from './clean-debian.js';
import { IMAGE_RELEASE, OLDER, buildPackages } from './debian-packages.js';
import type { Packages } from './debian-packages.js';
import { DEMO_FILES, DEMO_GUESTS } from './demo-guests.js';

const DEADLINE_MS = 600_000;
const BUILD_DEADLINE_MS = 1_800_000;
/** Pings, one a second. */
const MOST_UNANSWERED = 30;
const { version } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as { version: string };

const FUNCTIONS = `
# Programs on Node in here, of which there is no other.
switches() { ls -l proc/[0-9]*/exe 2>/dev/null | grep -c 'bin/node' || true; }
are_ready() { [ "$(inside vhost-host ports | grep -c ready)" = "$1" ]; }
# Processes of any program in here.
processes() { ls -l proc/[0-9]*/root 2>/dev/null | grep -c " -> $work/system$" || true; }
build_tools() { for tool in cc gcc make npm node-gyp python3; do inside sh -c "command -v $tool" || true; done; }
units() { systemctl list-units --plain --no-legend --state=active,failed --type=service,socket,timer,path,mount | sort; }
no_switch() { [ "$(switches)" = 0 ]; }
version_of_switch() { inside vhost-host status | sed -n 's/^version *//p'; }
# Also what others only suggest.
purge() {
  inside apt-get purge -qq -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false \\
    -o APT::AutoRemove::SuggestsImportant=false "$@"
}
emulator='qemu-system-x86 seabios ipxe-qemu'
`;

/** Guests come back after a second; a machine that has much else to do is given time, and no more than that. */
function assertShort(stdout: string, when: string): void {
  const unanswered = Number(new RegExp(`^unanswered ${when}: (\\d+)$`, 'm').exec(stdout)?.[1]);
  assert.ok(unanswered <= MOST_UNANSWERED, stdout);
}

for (const release of new Set([ownRelease, IMAGE_RELEASE])) {
  describe(`the Debian package for ${release}`, function () {
    this.timeout(DEADLINE_MS);
    const scope = freshScope({ skip: () => needsDebian(release) });
    // Bookworm's own Node is too old.
    const nodejs = release === 'bookworm' ? '/nodejs.deb' : 'nodejs';
    let packages: Packages;

    before(async function () {
      this.timeout(BUILD_DEADLINE_MS);
      if (needsDebian(release) === undefined) packages = await buildPackages(release);
    });

    const prepare = (): string => `cp ${packages.older} older.deb\ncp ${packages.newer} newer.deb\n${DEMO_FILES}`;

    it('has nothing that lintian calls an error, and needs no compiler and no npm', async () => {
      for (const path of [packages.older, packages.newer]) {
        const checked = await runToEnd(scope(), 'lintian', ['--fail-on', 'error', path], { deadline: DEADLINE_MS });
        assert.equal(checked.code, 0, checked.stdout);
      }
      const { stdout } = await runToEnd(scope(), 'dpkg-deb', ['-f', packages.newer, 'Depends'], {
        deadline: DEADLINE_MS,
      });
      assert.match(stdout, /nodejs \(>= 20\.19\)/);
      assert.match(stdout, /librte-eal\d+/);
      assert.match(stdout, /libfuse3-/);
      assert.doesNotMatch(stdout, /gcc|make|npm|-dev\b|python/);
      assert.deepEqual(
        (await readdir(`${root}build/package`)).filter((name) => /^deb-/.test(name)),
        [],
      );
    });

    it('without systemd: starts nothing, and runs; an upgrade keeps guests; purged, it leaves nothing', async () => {
      const script = `
        ${cleanDebian(release)}
        ${prepare()}
        ${FUNCTIONS}
        ${DEMO_GUESTS}
        files > "$work/before"
        install ${nodejs} /older.deb $emulator
        echo "running: $(switches) of $(processes)"
        echo "build tools: $(build_tools)"
        echo "enabled: $(find etc/systemd -name '*vhost-host*' | wc -l)"
        echo "version: $(inside vhost-host --version)"
        echo "prepared: $(inside node --version) $(cut -d' ' -f5 usr/lib/vhost-host/build/bundle/cli/node.seen)" \\
          "$(ls usr/lib/vhost-host/build/bundle/cli | grep -c 'code$')"
        inside qemu-wrap --explain=json -netdev tap,id=n,vhost=on -device virtio-net-pci,netdev=n
        inside bash -c '. /usr/share/bash-completion/completions/vhost-host; complete -p vhost-host'
        # The guests' qemu-wrap starts the switch.
        demo_guests
        remember
        eventually more_replies 5
        echo "running: $(switches)"
        remember
        inside apt-get install -qq -y /newer.deb 2>&1 | grep '^vhost-host:' || true
        eventually more_replies 5
        echo "unanswered during the upgrade: $(unanswered)"
        echo "version: $(inside vhost-host --version)"
        echo "the switch: $(version_of_switch)"
        remember
        inside vhost-host stop
        inside vhost-host start
        echo "the switch: $(version_of_switch)"
        more=$(($(answered) - seen + 5))
        eventually more_replies $more
        echo "unanswered while it was started anew: $(unanswered)"
        end_guests
        eventually are_ready 0
        echo "boots: $(boots)"
        # A newer Node, or the same again: the package hears of it.
        inside apt-get install -qq -y --reinstall ${nodejs} 2>&1 | grep 'triggers for vhost-host'
        ls usr/lib/vhost-host/build/bundle/cli | grep -c 'code$'
        echo '{}' > etc/vhost-host/switch.json
        inside apt-get remove -qq -y vhost-host > "$work/log" 2>&1
        echo "removed: $(switches) $(cat etc/vhost-host/switch.json) $(ls -d usr/bin/vhost-host usr/lib/vhost-host 2>/dev/null)"
        install /newer.deb
        echo '{}' > var/lib/vhost-host/record
        inside apt-get purge -qq -y vhost-host 2>&1 | grep '^vhost-host:'
        echo "purged: $(cat var/lib/vhost-host/record) $(ls -d etc/vhost-host 2>/dev/null)"
        install /newer.deb
        rm var/lib/vhost-host/record
        inside vhost-host start
        echo "running: $(switches)"
        purge vhost-host nodejs $emulator 2>&1 | grep '^vhost-host\\|stopped$' || true
        echo "running: $(switches)"
        rm -rf tmp/guest*
        files > "$work/after"
        diff "$work/before" "$work/after" && echo 'as before'
      `;
      const { code, stdout, stderr } = await runInPrivateNamespace(scope(), script, DEADLINE_MS);
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      const lines = stdout.split('\n');
      assert.deepEqual(lines.slice(0, 4), ['running: 0 of 0', 'build tools: ', 'enabled: 0', `version: ${OLDER}`]);
      assert.match(stdout, /^prepared: (v\d+\.\d+\.\d+) \1 1$/m);
      assert.match(stdout, /vhost-user/);
      assert.match(stdout, /^running: 1$/m);
      assert.match(stdout, /complete -F _vhost_host vhost-host/);
      assert.match(stdout, /was started by hand and still runs version 0\.0\.9/);
      assert.match(stdout, new RegExp(`version: ${version}\nthe switch: ${OLDER} with DPDK .*\n`));
      assert.match(stdout, /^unanswered during the upgrade: 0$/m);
      assert.match(stdout, new RegExp(`the switch: ${version} with DPDK.*\nunanswered while .*\nboots: 2\n`));
      assertShort(stdout, 'while it was started anew');
      assert.match(stdout, /^removed: 0 \{\} $/m);
      assert.match(stdout, /^vhost-host: \/var\/lib\/vhost-host stays: .*\npurged: \{\} $/m);
      assert.match(stdout, /running: 1\nswitch in \/run\/vhost-host stopped\nrunning: 0\nas before\n$/);
    });

    it('as a service: only where it is enabled; an upgrade starts it anew and its guests go on; a purge ends it', async () => {
      const script = `
        ${FUNCTIONS}
        ${DEMO_GUESTS}
        # What a service comes after, and what that mounts.
        systemctl start basic.target
        files > "$work/before"
        units > "$work/units"
        install ${nodejs} /older.deb $emulator
        units | diff "$work/units" - && echo 'started: nothing'
        echo "after install: $(systemctl is-enabled vhost-host || true) $(systemctl is-active vhost-host || true)"
        inside apt-get install -qq -y --reinstall /older.deb > "$work/log" 2>&1
        echo "after reinstall: $(systemctl is-enabled vhost-host || true) $(systemctl is-active vhost-host || true)"
        systemctl enable --now vhost-host
        demo_guests
        remember
        eventually more_replies 5
        echo "the switch: $(version_of_switch) $(systemctl is-active vhost-host)"
        remember
        inside apt-get install -qq -y /newer.deb > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
        grep '^vhost-host:' "$work/log" || true
        echo "the switch: $(version_of_switch) $(systemctl is-active vhost-host) $(systemctl is-enabled vhost-host)"
        more=$(($(answered) - seen + 5))
        eventually more_replies $more
        echo "unanswered during the upgrade: $(unanswered)"
        echo "running: $(switches) boots: $(boots)"
        end_guests
        eventually are_ready 0
        purge vhost-host nodejs $emulator > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
        eventually no_switch
        echo "units: $(systemctl list-units --all --plain --no-legend 'vhost*' | wc -l)" \\
          "$(systemctl list-unit-files --no-legend 'vhost*' | wc -l)"
        rm -rf tmp/guest*
        files > "$work/after"
        for list in before after; do grep -v ' ./srv/' "$work/$list" > "$work/$list.rest"; done
        diff "$work/before.rest" "$work/after.rest" && echo 'as before'
      `;
      const stdout = await inBootedDebian(scope(), release, { prepare: prepare(), script, deadline: DEADLINE_MS });
      assert.deepEqual(stdout.trimEnd().split('\n'), [
        'started: nothing',
        'after install: disabled inactive',
        'after reinstall: disabled inactive',
        ...stdout.split('\n').slice(3, 6),
        'running: 1 boots: 2',
        'units: 0 0',
        'as before',
      ]);
      assert.match(stdout, new RegExp(`^the switch: ${OLDER} with DPDK .* active$`, 'm'));
      assert.match(stdout, new RegExp(`^the switch: ${version} with DPDK .* active enabled$`, 'm'));
      assertShort(stdout, 'during the upgrade');
    });
  });
}
