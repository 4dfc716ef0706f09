import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VhostHostError } from '../../../src/common/errors.js';
import { realHost } from '../../../src/host/node-host.js';
import { Look } from '../../../src/host/tolerant-reader.js';
import { readNics } from '../../../src/hostsetup/nic/read.js';
import { planModules } from '../../../src/hostsetup/modules/plan.js';
import { ruleText } from '../../../src/hostsetup/nic/bind.js';
import { planNic } from '../../../src/hostsetup/nic/plan.js';
import { unitText } from '../../../src/hostsetup/service/unit.js';
import { leaving } from '../../helpers/capabilities.js';
import { runToEnd } from '../../helpers/child.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { bin, tempDir } from '../../helpers/paths.js';
import { inPrivateSystem } from '../../helpers/host/private-system.js';

const BINARY = '/opt/vhost-host/bin/vhost-host';
const SPEC = JSON.stringify({ start: true, group: 'vh-test', binary: BINARY });

describe('setup: its parts on this system', function () {
  this.timeout(300_000);
  const scope = freshScope({ skip: needsRoot });

  async function run(script: string): Promise<string[]> {
    const { code, stdout, stderr } = await inPrivateSystem(scope(), script);
    assert.equal(code, 0, stderr);
    return stdout.trimEnd().split('\n');
  }

  it('the service: a unit that systemd takes, enabled, with a group of its own; undo leaves no trace', async () => {
    const unit = '/etc/systemd/system/vhost-host.service';
    const out = await run(`
      parts() { /usr/bin/node /opt/vhost-host/build/test/helpers/host/setup-parts.js "$@"; }
      # Programs that change groups keep a copy with a dash at its end, and a lock.
      all() {
        find /etc /var/lib/vhost-host ! -name '*-' ! -name '*.lock' -printf '%p %m %U:%G %l\\n' 2> /dev/null | sort
        find /etc -type f ! -name '*-' ! -name '*.lock' -exec sha256sum {} + | sort
      }
      all > "$work/before"
      parts set '${SPEC}'
      systemd-analyze verify --man=no ${unit} 2>&1 && echo verified
      systemctl is-enabled vhost-host.service
      grep -c '^vh-test:' /etc/group
      parts set '${SPEC}'
      parts undo > /dev/null
      all > "$work/after"
      diff "$work/before" "$work/after" && echo as before
      printf '[Service]\\nType=sometimes\\nExecStart=/nowhere\\n' > ${unit}
      systemd-analyze verify --man=no ${unit} 2>&1 | grep -c 'sometimes'
    `);
    assert.deepEqual(out, ['["group","memlock","service"]', 'verified', 'enabled', '1', '[]', 'as before', '1']);
  });

  it('the switch runs with the capabilities that the unit leaves it, and has no memory to write and execute', async () => {
    const dir = await tempDir(scope());
    const unit = unitText({ binary: bin.vhostHost, config: undefined });
    const left = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
    assert.ok(left.length > 3 && unit.includes('MemoryDenyWriteExecute=yes'));
    const cut = leaving(left, /^SupplementaryGroups=(.*)$/m.exec(unit)?.[1] ?? '');
    const vhostHost = async (...args: string[]): Promise<string> => {
      const command = [...cut, bin.vhostHost, ...args, '--run-dir', dir];
      const { code, stdout, stderr } = await runToEnd(scope(), 'setpriv', command, { deadline: 40_000 });
      assert.equal(code, 0, stderr);
      return stdout;
    };
    await vhostHost('start', '--hugepages', 'off');
    try {
      const { pid } = JSON.parse(await vhostHost('status', '--json')) as { pid: number };
      assert.doesNotMatch(readFileSync(`/proc/${pid}/maps`, 'utf8'), /^\S+ .wx/m);
      const bounded = /^CapBnd:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      assert.equal(
        parseInt(bounded ?? '', 16)
          .toString(2)
          .replaceAll('0', '').length,
        left.length,
      );
      await vhostHost('ports', 'add', 'web');
      assert.ok(existsSync(join(dir, 'port-web.sock')));
    } finally {
      await vhostHost('stop');
    }
  });

  it("the card's rule is one that udev reads without a word", async () => {
    const dir = await tempDir(scope());
    // No such device is here: the rule is read, and matches nothing.
    writeFileSync(join(dir, 'good'), ruleText('0000:7f:1f.7', 'vfio-pci', 'ixgbe'));
    writeFileSync(join(dir, 'bad'), ruleText('0000:7f:1f.7', 'vfio-pci', 'ixgbe').replace('ATTR{', 'ATTR('));
    const out = await run(`
      rule=/etc/udev/rules.d/60-vhost-host-0000:7f:1f.7.rules
      mkdir -p /etc/udev/rules.d
      for name in good bad; do
        cp ${dir}/$name $rule
        udevadm test --action=change /sys/devices/virtual/mem/null > "$work/$name" 2>&1
        grep -c '^Reading rules file: .*vhost-host' "$work/$name"
        grep 'vhost-host' "$work/$name" | grep -vc '^Reading rules file' || true
      done
    `);
    assert.deepEqual(out.slice(0, 3), ['1', '0', '1']);
    assert.notEqual(out[3], '0');
  });

  it('the card that carries the default route is refused, and named with what it carries', async function () {
    const routed = execFileSync('ip', ['-4', 'route', 'show', 'default'], { encoding: 'utf8' });
    const name = /\bdev (\S+)/.exec(routed)?.[1];
    const nic = (await readNics(new Look(realHost))).find(({ interfaces }) => interfaces.includes(name ?? ''));
    if (name === undefined || nic === undefined) {
      process.stderr.write('skipped: no PCI card of this machine carries the default route\n');
      this.skip();
    }
    const driver = realpathSync(`/sys/bus/pci/devices/${nic.address}/driver`);
    for (const wanted of ['vfio-pci', 'uio_pci_generic'] as const) {
      await assert.rejects(planNic(realHost, { address: nic.address, driver: wanted, now: true }), {
        message: new RegExp(`is in use: the address [\\d.]+/\\d+ on ${name}, .*the default route on ${name}`),
      });
    }
    assert.equal(realpathSync(`/sys/bus/pci/devices/${nic.address}/driver`), driver);
  });

  it('a device that is no network card is refused', async () => {
    const devices = '/sys/bus/pci/devices';
    const address = readdirSync(devices).find(
      (name) => !readFileSync(`${devices}/${name}/class`, 'utf8').startsWith('0x02'),
    );
    assert.ok(address !== undefined);
    await assert.rejects(
      planNic(realHost, { address, driver: 'vfio-pci', now: true }),
      (error: unknown) => error instanceof VhostHostError && error.message.includes('is no network card'),
    );
  });

  it('modules that this kernel has without loading are told from those that it has not', async () => {
    const misc = readFileSync('/proc/misc', 'utf8');
    const listed = existsSync('/proc/modules') ? readFileSync('/proc/modules', 'utf8') : '';
    const { steps, notes } = await planModules(realHost, { modules: ['cuse', 'tun'], now: false });
    for (const name of ['cuse', 'tun']) {
      const builtIn = new RegExp(`^\\s*\\d+ ${name}$`, 'm').test(misc) && !new RegExp(`^${name} `, 'm').test(listed);
      const said = notes.find((note) => note.includes(name)) ?? '';
      assert.equal(said.startsWith(`${name} is built into kernel `), builtIn, `${name}: ${said}`);
      assert.ok(
        said !== '' || steps[0]?.wanted.includes(`${name} at each boot`) === true,
        `nothing is said of ${name}`,
      );
    }
  });
});
