import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { applySteps } from '../../../src/changes/apply.js';
import { planNic } from '../../../src/hostsetup/nic/plan.js';
import type { NicSpec } from '../../../src/hostsetup/nic/plan.js';
import { ruleText, rulePath } from '../../../src/hostsetup/nic/bind.js';
import { Journal } from '../../../src/changes/journal.js';
import { planUndo } from '../../../src/changes/undo.js';
import { MemoryHost } from '../host/memory-host.js';
import { OPTIONS, WHAT, undoAll } from '../changes/steps-support.js';
import { applyOnce, commandsOf, cycle, refusalOf } from './plan-support.js';
import { image, rhel9, withNic } from './systems.js';

const CARD = '0000:03:00.0';
const DEVICE = `/sys/bus/pci/devices/${CARD}`;
const SPEC: NicSpec = { address: CARD, driver: 'vfio-pci', now: true };

/** RHEL 9 with the card `CARD`, which nothing uses, in an IOMMU group with a bridge. */
function machine(driver = 'ixgbe'): MemoryHost {
  const memory = rhel9();
  withNic(memory, { address: CARD, id: '8086:10fb', driver, interfaces: driver === 'vfio-pci' ? [] : ['ens3f0'] });
  // Its one address is link-local, as every interface has.
  memory.file('/proc/net/if_inet6', 'fe80000000000000021122fffe334455 02 40 20 80   ens3f0\n');
  const group = '/sys/kernel/iommu_groups/7';
  memory.link(`${DEVICE}/iommu_group`, group).dir(`${group}/devices/${CARD}`).dir(`${group}/devices/0000:02:00.0`);
  memory.file('/sys/bus/pci/devices/0000:02:00.0/class', '0x060400\n');
  memory.link('/sys/bus/pci/devices/0000:02:00.0/driver', '/sys/bus/pci/drivers/pcieport');
  for (const name of ['vfio-pci', 'pcieport', 'megaraid_sas']) memory.dir(`/sys/bus/pci/drivers/${name}`);
  return memory.dir('/var/lib');
}

function drivenBy(memory: MemoryHost, driver: string): () => Record<string, never> {
  return () => {
    memory.entries.delete(`${DEVICE}/driver`);
    memory.link(`${DEVICE}/driver`, `/sys/bus/pci/drivers/${driver}`);
    for (const path of ['net/ens3f0', 'net']) memory.entries.delete(`${DEVICE}/${path}`);
    if (driver === 'ixgbe') memory.dir(`${DEVICE}/net/ens3f0`);
    return {};
  };
}

const TRIGGER = `udevadm trigger --settle --action=add --subsystem-match=pci --sysname-match=${CARD}`;
const OFFLINE = TRIGGER.replace('add', 'offline');

/** With a udev that does what our rule says. */
function withUdev(memory: MemoryHost): MemoryHost {
  memory.commands.set(TRIGGER, drivenBy(memory, 'vfio-pci'));
  memory.commands.set(OFFLINE, drivenBy(memory, 'ixgbe'));
  return memory;
}

const plan = (memory: MemoryHost, spec: Partial<NicSpec> = {}) => planNic(memory.host, { ...SPEC, ...spec });

describe('setup: a network card for the switch', () => {
  it('is bound by a rule for udev, at once and for each boot; undo gives it back', async () => {
    const memory = withUdev(machine());
    deepEqual(commandsOf(await plan(memory)), ['udevadm control --reload', TRIGGER]);
    equal((await plan(memory)).steps[0]?.current, 'ixgbe');
    const before = memory.tree();
    await applyOnce(memory, () => plan(memory));
    const rule = await memory.host.read(rulePath(CARD));
    equal(rule, ruleText(CARD, 'vfio-pci', 'ixgbe'));
    memory.ran.length = 0;
    await undoAll(memory);
    deepEqual(memory.ran, [OFFLINE, 'udevadm control --reload']);
    deepEqual(memory.tree(), before);
  });

  it('the rule names the card, both drivers, and nothing else', () => {
    const lines = ruleText(CARD, 'vfio-pci', 'ixgbe').split('\n');
    deepEqual(lines.slice(1, 6), [
      '# Driver before: ixgbe',
      `ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${CARD}", DRIVER!="vfio-pci", ATTR{driver_override}="vfio-pci"`,
      `ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${CARD}", DRIVER=="?*", DRIVER!="vfio-pci", ATTR{driver/unbind}="%k"`,
      `ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${CARD}", DRIVER!="vfio-pci", ATTR{subsystem/drivers_probe}="%k"`,
      `ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${CARD}", RUN{builtin}+="kmod load vfio-pci"`,
    ]);
    ok(lines.slice(6, -1).every((line) => line.startsWith('ACTION=="offline", ')));
    ok(!ruleText(CARD, 'vfio-pci', undefined).includes('offline'));
  });

  it('is bound by driverctl where that is installed', async () => {
    const memory = machine().file('/usr/sbin/driverctl', '');
    memory.commands.set(`driverctl load-override ${CARD}`, drivenBy(memory, 'vfio-pci'));
    memory.commands.set(`driverctl unset-override ${CARD}`, drivenBy(memory, 'ixgbe'));
    deepEqual(commandsOf(await plan(memory)), [`driverctl load-override ${CARD}`]);
    await cycle(memory, () => plan(memory));
    // An override of the administrator's own comes back.
    memory.file(`/etc/driverctl.d/pci-${CARD}`, 'uio_pci_generic\n');
    await applyOnce(memory, () => plan(memory));
    memory.ran.length = 0;
    await undoAll(memory);
    deepEqual(memory.ran, [`driverctl load-override ${CARD}`]);
    equal(await memory.host.read(`/etc/driverctl.d/pci-${CARD}`), 'uio_pci_generic\n');
  });

  it('that stays where it was fails the step, whose verification only looks, and can be undone', async () => {
    const memory = machine();
    const { steps } = await plan(memory);
    memory.ran.length = 0;
    const { message } = await refusalOf(applySteps(memory.host, steps, OPTIONS));
    const wrong = '0000:03:00.0 should be driven by vfio-pci now, and is by ixgbe: dmesg | grep 0000:03:00.0';
    ok(message.endsWith(`: ${wrong}`), message);
    deepEqual(memory.ran, Array(4).fill(['udevadm control --reload', TRIGGER]).flat());
    memory.ran.length = 0;
    equal(await steps[0]?.verify?.(memory.host), wrong);
    deepEqual(memory.ran, []);
    await undoAll(memory);
    // It is where it was: once is enough.
    deepEqual(memory.ran, [OFFLINE, 'udevadm control --reload']);
    equal(await memory.host.stat(rulePath(CARD)), undefined);
  });

  it('that stays where it was is asked for again, both ways; one that was taken out holds no undo up', async () => {
    const memory = withUdev(machine());
    const before = memory.tree();
    let asked = 0;
    const third = (driver: string) => () => (++asked % 3 !== 0 ? {} : drivenBy(memory, driver)());
    memory.commands.set(TRIGGER, third('vfio-pci')).set(OFFLINE, third('ixgbe'));
    await applyOnce(memory, () => plan(memory));
    equal(asked, 3);
    await undoAll(memory);
    equal(asked, 6);
    deepEqual(memory.tree(), before);
    await applyOnce(memory, () => plan(memory));
    memory.entries.delete(`${DEVICE}/driver`);
    memory.commands.set(OFFLINE, {});
    await undoAll(memory);
    equal(await memory.host.stat(rulePath(CARD)), undefined);
  });

  it('undo refuses where somebody changed the rule', async () => {
    const memory = withUdev(machine());
    await applyOnce(memory, () => plan(memory));
    memory.file(rulePath(CARD), '# mine\n');
    const failure = await refusalOf(Journal.list(memory.host, WHAT).then((list) => planUndo(memory.host, list, [])));
    equal(failure.code, 'CHANGED_SINCE');
    await undoAll(memory, [rulePath(CARD)]);
    equal(await memory.host.read(rulePath(CARD)), '# mine\n');
  });

  it('that has the driver already is only kept; a card nobody drove is taken as well', async () => {
    const bound = machine('vfio-pci');
    deepEqual(commandsOf(await plan(bound)), []);
    await cycle(bound, () => plan(bound));
    const idle = withUdev(machine());
    idle.entries.delete(`${DEVICE}/driver`);
    idle.entries.delete(`${DEVICE}/net/ens3f0`);
    equal((await plan(idle)).steps[0]?.current, 'no driver');
    await applyOnce(idle, () => plan(idle));
  });

  it('waits for the next boot where the IOMMU comes with it', async () => {
    const memory = machine();
    memory.entries.delete(`${DEVICE}/iommu_group`);
    const { steps, notes } = await plan(memory, { iommuComing: true, address: '03:00.0' });
    deepEqual([commandsOf({ steps, notes }), steps[0]?.needsReboot], [['udevadm control --reload'], true]);
    await cycle(memory, () => plan(memory, { iommuComing: true }));
    equal((await plan(machine(), { now: false })).steps[0]?.needsReboot, true);
  });

  for (const program of ['driverctl', 'nothing']) {
    it(`taken by a boot is given back by undo, with ${program} installed`, async () => {
      const memory = withUdev(machine()).file(`/usr/sbin/${program}`, '');
      memory.commands.set(`driverctl unset-override ${CARD}`, drivenBy(memory, 'ixgbe'));
      const before = memory.tree();
      await applyOnce(memory, () => plan(memory, { now: false }));
      drivenBy(memory, 'vfio-pci')();
      await undoAll(memory);
      deepEqual(memory.tree(), before);
    });
  }

  it('of an image is not looked at', async () => {
    const memory = image();
    const { steps, notes } = await plan(memory);
    match(notes.join('\n'), /^0000:03:00\.0 is not looked at, for this system does not run/);
    deepEqual([commandsOf({ steps, notes }), steps[0]?.needsReboot], [[], true]);
    await cycle(memory, () => plan(memory));
  });

  it('that shares its driver with the switch stays as it is', async () => {
    const { steps, notes } = await plan(machine('mlx5_core'));
    deepEqual([steps, notes], [[], [`${CARD}: mlx5_core shares its card with the switch, and is not to be replaced`]]);
  });
});

describe('setup: a network card that is refused', () => {
  const refused: [string, (memory: MemoryHost) => unknown, RegExp][] = [
    [
      'a route',
      (memory) => memory.file('/proc/net/route', 'head\nens3f0\t0002A8C0\t0\t1\t0\t0\t0\t00FFFFFF\t0\t0\t0\n'),
      /^0000:03:00\.0 \(ens3f0, ixgbe\) is in use: a route on ens3f0$/,
    ],
    [
      'the default route',
      (memory) => memory.file('/proc/net/route', 'head\nens3f0\t00000000\t0102A8C0\t3\t0\t0\t0\t00000000\t0\t0\t0\n'),
      /is in use: the default route on ens3f0$/,
    ],
    [
      'an address without a route',
      (memory) =>
        memory.commands.set('ip -json -4 address show', {
          stdout: JSON.stringify([
            {},
            { ifname: 'eno1', addr_info: [{ family: 'inet', local: '192.0.2.9', prefixlen: 24 }] },
            { ifname: 'ens3f0', addr_info: [{ family: 'inet', local: '192.0.2.7', prefixlen: 32 }] },
          ]),
        }),
      /is in use: the address 192\.0\.2\.7\/32 on ens3f0$/,
    ],
    ['a bridge', (memory) => memory.dir('/sys/class/net/ens3f0/upper_br7'), /is in use: br7 on top of ens3f0$/],
    ['virtual functions', (memory) => memory.file(`${DEVICE}/sriov_numvfs`, '4\n'), /is in use: 4 virtual functions$/],
    [
      'an interface in another namespace',
      (memory) => memory.entries.delete(`${DEVICE}/net/ens3f0`),
      /is in use: no interface here, though ixgbe drives it/,
    ],
    [
      'its IOMMU group',
      (memory) => {
        const other = '0000:03:00.7';
        memory
          .dir(`/sys/kernel/iommu_groups/7/devices/${other}`)
          .file(`/sys/bus/pci/devices/${other}/class`, '0x010400\n');
        memory.link(`/sys/bus/pci/devices/${other}/driver`, '/sys/bus/pci/drivers/megaraid_sas');
      },
      /is in use: 0000:03:00\.7 \(megaraid_sas\) in the same IOMMU group 7$/,
    ],
  ];
  for (const [what, change, words] of refused) {
    it(`for ${what}; with force it is taken all the same`, async () => {
      const memory = withUdev(machine());
      change(memory);
      const failure = await refusalOf(plan(memory));
      match(failure.message, words);
      equal(failure.code, 'SETUP_REFUSED');
      const { steps, notes } = await plan(memory, { force: true });
      equal(steps.length, 1);
      match(notes.join('\n'), /is taken all the same, with /);
    });
  }

  it('for what `ip` says in words of its own, nothing is', async () => {
    const memory = machine();
    for (const stdout of ['no JSON', '{"a":1}']) {
      memory.commands.set('ip -json -4 address show', { stdout });
      equal((await plan(memory)).steps.length, 1);
    }
  });

  it('for want of an IOMMU, with what would fix it', async () => {
    const memory = machine();
    memory.entries.delete(`${DEVICE}/iommu_group`);
    const none = await refusalOf(plan(memory, { force: true }));
    match(none.message, /cannot be opened by way of vfio-pci: this machine has no IOMMU/);
    match(none.hint ?? '', /enable_unsafe_noiommu_mode=1/);
    const off = await refusalOf(plan(memory.file('/sys/firmware/acpi/tables/DMAR', ''), {}));
    deepEqual([/the IOMMU is off$/.test(off.message), /intel_iommu=on/.test(off.hint ?? '')], [true, true]);
    memory.file('/sys/module/vfio/parameters/enable_unsafe_noiommu_mode', 'Y\n');
    match((await plan(memory)).notes.join(), /no IOMMU holds it back/);
    match((await plan(memory, { driver: 'uio_pci_generic' })).notes.join(), /no IOMMU holds it back/);
  });

  it('for what is no network card, or no address', async () => {
    const memory = machine();
    match(
      (await refusalOf(plan(memory, { address: '0000:00:1f.2' }))).message,
      /^the PCI device .* is no network card/,
    );
    const absent = await refusalOf(plan(memory, { address: '0000:99:00.0' }));
    match(absent.message, /^there is no PCI device 0000:99:00\.0 \(network cards: 0000:03:00\.0, /);
    for (const address of ['eth0', '', '0000:03:00.8', `${CARD}"\nRUN+="x`, '03:20.0', '../03:00.0']) {
      equal((await refusalOf(plan(memory, { address }))).code, 'USAGE');
    }
  });
});
