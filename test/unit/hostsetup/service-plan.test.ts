import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ServiceSpec } from '../../../src/hostsetup/service/plan.js';
import type { MemoryHost } from '../host/memory-host.js';
import { applySteps } from '../../../src/changes/apply.js';
import {
  CAPABILITIES,
  DEFAULT_GROUP,
  ENABLED_LINK,
  SHIPPED_UNIT_PATHS,
  UNIT_PATH,
  quoteForUnit,
  unitBody,
  unitText,
} from '../../../src/hostsetup/service/unit.js';
import type { UnitPlace } from '../../../src/hostsetup/service/unit.js';
import { CARDS_CAPABILITIES, CARDS_PATH } from '../../../src/hostsetup/service/cards.js';
import { userText } from '../../../src/hostsetup/service/user.js';
import { root } from '../../helpers/paths.js';
import { withDir } from '../switch/support.js';
import { OPTIONS, undoAll } from '../changes/steps-support.js';
import { applyOnce, commandsOf, cycle, refusalOf } from './plan-support.js';
import { BINARY, UNIT, machine, plan } from './service-support.js';

const LIMITS = '/etc/security/limits.d/vhost-host.conf';

describe('setup: the switch as a service', () => {
  it('is installed, and started at each boot; undo ends it and takes all away', async () => {
    const memory = machine();
    const { steps, notes } = await plan(memory);
    deepEqual(
      steps.map(({ id, current, wanted }) => [id, current, wanted]),
      [
        ['memlock', 'the limit of the system', 'they may, from their next login on'],
        ['service', 'not installed', 'installed, started at boot'],
      ],
    );
    deepEqual(commandsOf({ steps, notes }), ['systemctl daemon-reload', `systemctl enable ${UNIT}`]);
    match(notes.join('\n'), /started at the next boot, or now by: systemctl start vhost-host\.service$/);
    const before = memory.tree();
    await applyOnce(memory, () => plan(memory));
    match(await memory.host.read(LIMITS), /\n@kvm - memlock unlimited\n$/);
    deepEqual((await plan(memory)).notes, []);
    memory.ran.length = 0;
    await undoAll(memory);
    deepEqual(memory.ran, [`systemctl disable --now ${UNIT}`, 'systemctl daemon-reload']);
    deepEqual(memory.tree(), before);
  });

  it('without start it is there to be started; one that was started at boot is not any more', async () => {
    const memory = machine();
    deepEqual(commandsOf(await plan(memory, { start: false })), ['systemctl daemon-reload']);
    await cycle(memory, () => plan(memory, { start: false }));
    await applyOnce(memory, () => plan(memory));
    await applyOnce(memory, () => plan(memory, { start: false }));
    equal(await memory.host.lstat(ENABLED_LINK), undefined);
    await undoAll(memory);
    equal(await memory.host.lstat(ENABLED_LINK), undefined);
  });

  it("the unit that a distribution's package has installed is only enabled; another one is overridden", async () => {
    for (const path of SHIPPED_UNIT_PATHS) {
      const memory = machine();
      memory.file(path, `# From a package.\n${unitBody({ binary: BINARY, config: undefined })}`);
      deepEqual(commandsOf(await plan(memory)), [`systemctl enable ${UNIT}`]);
      await cycle(memory, () => plan(memory));
      equal(await memory.host.lstat(UNIT_PATH), undefined);
      memory.file('/etc/s.json', '{}');
      const other = await plan(memory, { config: '/etc/s.json' });
      deepEqual(commandsOf(other), ['systemctl daemon-reload', `systemctl enable ${UNIT}`]);
    }
  });

  it('of an image no running systemd is told', async () => {
    const memory = machine({ running: false });
    deepEqual(commandsOf(await plan(memory)), [`systemctl enable ${UNIT}`]);
    await cycle(memory, () => plan(memory));
    deepEqual(memory.ran, [`systemctl enable ${UNIT}`, `systemctl disable ${UNIT}`]);
  });

  it('an enable that does nothing fails the step', async () => {
    const memory = machine();
    memory.commands.delete(`systemctl enable ${UNIT}`);
    const { steps } = await plan(memory);
    match((await refusalOf(applySteps(memory.host, steps, OPTIONS))).message, /is not started at boot$/);
  });

  it('without systemd it is left to the user, and there is no unit', async () => {
    const memory = machine({ running: false });
    memory.entries.delete('/usr/lib/systemd/systemd');
    const { steps, byHand } = await plan(memory);
    deepEqual(
      steps.map(({ id }) => id),
      ['memlock'],
    );
    deepEqual(byHand?.[0]?.snippet, '/opt/vhost-host/bin/vhost-host start');
    deepEqual((await plan(memory, { start: false })).byHand, undefined);
  });

  it('a group that is missing is made; one of another name is to be named to the switch', async () => {
    const memory = machine();
    const { steps, notes } = await plan(memory, { group: 'switch' });
    deepEqual(
      steps.map(({ id }) => id),
      ['group', 'memlock', 'service'],
    );
    match(notes[0] ?? '', /with "socket": \{ "group": "switch" \} in \/etc\/vhost-host\/switch\.json$/);
    await cycle(memory, () => plan(memory, { group: 'switch' }));
    memory.file('/etc/s.json', '{ "socket": { "group": "switch" } }\n');
    const named = await plan(memory, { group: 'switch', config: '/etc/s.json' });
    ok(!named.notes.some((note) => note.includes('"socket"')));
    memory.commands.delete('systemd-sysusers /etc/sysusers.d/vhost-host.conf');
    match((await refusalOf(applySteps(memory.host, steps, OPTIONS))).message, /there is still no group switch$/);
  });

  it('where PAM reads no limits none are written', async () => {
    const memory = machine();
    memory.entries.delete('/etc/security/limits.d');
    deepEqual(
      (await plan(memory)).steps.map(({ id }) => id),
      ['service'],
    );
  });

  it('what could not start is refused', async () => {
    const cases: [Partial<ServiceSpec>, (memory: MemoryHost) => unknown, RegExp][] = [
      [{ binary: '/opt/x' }, () => undefined, /^\/opt\/x is not a program that could be started at boot$/],
      [{}, (memory) => memory.file(BINARY, '', 0o644), /is not a program/],
      [{ config: '/etc/none.json' }, () => undefined, /^there is no configuration file \/etc\/none\.json/],
      [{}, (memory) => memory.entries.delete('/usr/bin/node'), /^node is in none of /],
      [{ group: 'a b\nc' }, () => undefined, /is no name for a group$/],
    ];
    for (const [spec, change, words] of cases) {
      const memory = machine();
      change(memory);
      match((await refusalOf(plan(memory, spec))).message, words);
    }
  });

  it('nothing in a path is expanded', () => {
    equal(quoteForUnit('/opt/a-b_c/d@e'), '/opt/a-b_c/d@e');
    equal(quoteForUnit('/opt/100%/$x'), '/opt/100%%/$$x');
    equal(quoteForUnit('/opt/my "switch"\\'), '"/opt/my \\"switch\\"\\\\"');
    const text = unitText({ binary: BINARY, config: '/etc/a b.json' });
    ok(text.includes(`\nExecStart=${BINARY} start --run-dir /run/vhost-host --config "/etc/a b.json"\n`));
  });

  it('has the group of the configuration for its own, and homes only where it is started from one', () => {
    const line = (text: string, key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1];
    const text = (place: Partial<UnitPlace>): string => unitText({ binary: BINARY, config: undefined, ...place });
    equal(line(text({}), 'SupplementaryGroups'), DEFAULT_GROUP);
    equal(line(text({ group: '4711' }), 'SupplementaryGroups'), '4711');
    equal(line(text({}), 'ProtectHome'), 'yes');
    for (const place of [{ binary: '/home/u/vhost-host/bin/vhost-host' }, { config: '/root/switch.json' }])
      equal(line(text(place), 'ProtectHome'), 'read-only');
  });

  it('is written anew for the group that the configuration names', async () => {
    for (const [config, group] of [
      ['{ "socket": { "mode": "0660", "group": "libvirt-qemu" } }', 'libvirt-qemu'],
      ['{ "socket": { "group": "64055" } }', '64055'],
      ['{ "socket": { "group": "a b\\nUser=root" } }', 'kvm'],
      ['{ "uplinks": [] }', 'kvm'],
    ] as const) {
      const memory = machine();
      memory.file('/etc/s.json', config);
      await applyOnce(memory, () => plan(memory, { config: '/etc/s.json' }));
      ok((await memory.host.read(UNIT_PATH)).includes(`\nSupplementaryGroups=${group}\n`), config);
    }
  });

  it('of a card that no IOMMU holds back there is a file beside it, also beside that of a package', async () => {
    const memory = machine();
    memory.file(SHIPPED_UNIT_PATHS[0] ?? '', `# From a package.\n${unitBody({ binary: BINARY, config: undefined })}`);
    const spec = { unheldCard: true };
    deepEqual(commandsOf(await plan(memory, spec)), ['systemctl daemon-reload', `systemctl enable ${UNIT}`]);
    await cycle(memory, () => plan(memory, spec));
    await applyOnce(memory, () => plan(memory, spec));
    match(await memory.host.read(CARDS_PATH), /^CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_RAWIO$/m);
    equal(await memory.host.lstat(UNIT_PATH), undefined);
  });

  it('keeps the capabilities that the switch keeps by itself', async () => {
    const [, list = ''] =
      /#define VH_CAPABILITIES\(X\)([\s\S]*?[^\\])\n/.exec(
        await readFile(`${root}native/dpdk/runtime/syscalls.h`, 'utf8'),
      ) ?? [];
    const kept = [...list.matchAll(/X\((\w+)\)/g)].map(([, name]) => `CAP_${name ?? ''}`);
    ok(kept.length > 5);
    // What it has no need of, root's own switch may keep: see the list.
    const spare = ['CAP_CHOWN', 'CAP_FOWNER', 'CAP_IPC_LOCK'];
    deepEqual([...CAPABILITIES, ...CARDS_CAPABILITIES, ...spare].sort(), kept.sort());
  });

  it('is as strict as its own text says, by what systemd thinks of it', async function () {
    const program = '/usr/bin/systemd-analyze';
    const version = await promisify(execFile)(program, ['--version']).catch(() => undefined);
    // Judging a file is new in 250.
    if (version === undefined || !(Number(/^systemd (\d+)/.exec(version.stdout)?.[1]) >= 250)) return this.skip();
    await withDir(async (dir) => {
      const path = `${dir}/vhost-host.service`;
      await writeFile(path, unitText({ binary: '/bin/true', config: undefined }));
      await promisify(execFile)(program, ['security', '--offline=yes', '--no-pager', '--threshold=30', path]);
      await mkdir(`${path}.d`);
      await writeFile(`${path}.d/own-user.conf`, userText('kvm'));
      await promisify(execFile)(program, ['security', '--offline=yes', '--no-pager', '--threshold=22', path]);
    });
  });
});
