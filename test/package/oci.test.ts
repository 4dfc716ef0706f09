import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { freshScope } from '../helpers/fresh-scope.js';
import { root } from '../helpers/paths.js';
import { runInPrivateNamespace } from '../helpers/host/private-namespace.js';
import { FUNCTIONS } from './clean-debian.js';
import { buildTask } from './debian-packages.js';
import { DEMO_FILES, DEMO_GUESTS } from './demo-guests.js';

const BUILD_DEADLINE_MS = 1_800_000;
const DEADLINE_MS = 600_000;
const image = `${root}build/package/oci/image`;

interface Image {
  readonly ENTRYPOINT: readonly string[];
  readonly CMD: readonly string[];
  readonly HEALTHCHECK: readonly string[];
}

/** As docs/install.md has it: the mounts and capabilities of `docker run`. */
async function documented(): Promise<{ mounts: string[]; capabilities: string[] }> {
  const text = await readFile(`${root}docs/install.md`, 'utf8');
  const [, options = ''] = /^docker run -d ([^]*?) vhost-host$/m.exec(text) ?? [];
  assert.match(options, /--cap-drop all/);
  const all = (pattern: RegExp): string[] => [...options.matchAll(pattern)].map(([, value = '']) => value);
  return { mounts: all(/-v (\S+):\1/g), capabilities: all(/--cap-add (\w+)/g) };
}

describe('the image, built by its steps in roots', function () {
  this.timeout(DEADLINE_MS);
  const scope = freshScope({ skip: () => (process.getuid?.() === 0 ? undefined : 'chroot needs root') });

  before(async function () {
    this.timeout(BUILD_DEADLINE_MS);
    if (process.getuid?.() === 0) await buildTask('package-oci.mjs');
  });

  it('runs the switch with no more rights than the documentation grants; guests of the host come, stay and come back', async () => {
    const { ENTRYPOINT, CMD, HEALTHCHECK } = JSON.parse(await readFile(`${image}.json`, 'utf8')) as Image;
    const { mounts, capabilities } = await documented();
    assert.deepEqual(mounts, ['/run/vhost-host']);
    assert.ok(capabilities.length > 0);
    const limits = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
    const command = [...ENTRYPOINT, ...CMD].join(' ');
    const script = `
      export PATH="$repo/bin:$PATH"
      cd /
      mount -t tmpfs none /run
      mount -t tmpfs none /tmp
      mkdir /run/upper /run/layer /run/vhost-host
      mount -t overlay none -o lowerdir=${image},upperdir=/run/upper,workdir=/run/layer /mnt
      mount -t proc none /mnt/proc
      mount -t sysfs -o ro none /mnt/sys
      mount -t tmpfs none /mnt/dev
      mkdir /mnt/dev/shm
      cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /mnt/dev/
      mount -t tmpfs none /mnt/tmp
      for dir in ${mounts.join(' ')}; do
        mkdir -p "/mnt$dir"
        mount --bind "$dir" "/mnt$dir"
      done
      ${FUNCTIONS}
      inside() { "$@"; }
      mount -t tmpfs none /srv
      ${DEMO_FILES}
      ${DEMO_GUESTS}
      contained() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --net --ipc --uts chroot /mnt "$@"; }
      run() {
        # The process that the engine would signal becomes the switch itself.
        (exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --net --ipc --uts chroot /mnt \\
          setpriv --bounding-set=${limits} --inh-caps=-all ${command} > /tmp/switch.out 2>&1) &
        container=$!
        eventually is_healthy
      }
      is_healthy() { contained ${HEALTHCHECK.join(' ')} > /tmp/health.out 2>&1; }
      end() { kill -TERM $container; wait $container && echo "ended: 0" || echo "ended: $?"; }
      run
      echo "rights: $(sed -n 's/^CapEff:\\t*//p' /proc/$(cat /run/vhost-host/lock)/status)"
      demo_guests
      remember
      eventually more_replies 5
      vhost-host ports | grep -c ready
      end
      is_healthy && echo 'still healthy' || echo 'no longer healthy'
      run
      remember
      eventually more_replies 5
      echo "boots: $(boots)"
      end_guests
      end
      ls /run/vhost-host | grep -c sock || true
    `;
    const { code, stdout, stderr } = await runInPrivateNamespace(scope(), script, DEADLINE_MS);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    // linux/capability.h: chown is 0, dac_override 1, fowner 3.
    const rights = 'rights: 000000000000000b';
    const expected = [rights, '2', 'ended: 0', 'no longer healthy', 'boots: 2', 'ended: 0', '0'];
    assert.deepEqual(stdout.trimEnd().split('\n'), expected, stderr);
  });
});
