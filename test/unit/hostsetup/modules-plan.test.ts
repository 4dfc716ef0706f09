import { deepEqual, equal, match } from 'node:assert/strict';
import { applySteps } from '../../../src/changes/apply.js';
import { MODULES_LOAD, planModules } from '../../../src/hostsetup/modules/plan.js';
import { MemoryHost } from '../host/memory-host.js';
import { OPTIONS, undoAll } from '../changes/steps-support.js';
import { applyOnce, commandsOf, cycle, refusalOf } from './plan-support.js';
import { debian12, rhel9 } from './systems.js';

const ALL = ['vfio-pci', 'cuse', 'tun'] as const;
const LOAD = 'modprobe -a vfio-pci cuse';

function loading(memory: MemoryHost, loaded = 'vfio_pci 1 0 - Live 0x0\ncuse 1 0 - Live 0x0\n'): MemoryHost {
  memory.commands.set(LOAD, () => {
    memory.file('/proc/modules', loaded);
    return {};
  });
  return memory;
}

describe('setup: kernel modules', () => {
  it('are named for each boot and loaded at once; undo takes the file away', async () => {
    const memory = loading(debian12()).dir('/var/lib');
    const plan = () => planModules(memory.host, { modules: ALL, now: true });
    const { steps, notes } = await plan();
    deepEqual(notes, [
      'tun is built into kernel 6.1.0-18-amd64: nothing to load',
      'undo leaves modules loaded until the next boot, for somebody may use them by then',
    ]);
    equal(steps[0]?.wanted, 'vfio-pci at each boot, cuse at each boot, tun built-in');
    deepEqual(commandsOf({ steps, notes }), [LOAD]);
    await applyOnce(memory, plan);
    match(await memory.host.read(MODULES_LOAD), /^# .*\nvfio-pci\ncuse\n$/);
    deepEqual(await undoAll(memory), [
      `remove ${MODULES_LOAD}`,
      'remove the directory /etc/modules-load.d if it is empty',
    ]);
    equal(await memory.host.stat('/etc/modules-load.d'), undefined);
  });

  it('that are loaded are still to be loaded at the next boot', async () => {
    const memory = rhel9();
    const plan = () => planModules(memory.host, { modules: ALL, now: true });
    deepEqual(commandsOf(await plan()), []);
    await cycle(memory, plan);
  });

  it('of an image are those of its newest kernel, and nothing is loaded', async () => {
    const memory = new MemoryHost({
      '/lib/modules/6.1.0-9/modules.dep': 'kernel/drivers/vfio/pci/vfio-pci.ko:\n',
      '/lib/modules/6.1.0-18/modules.dep': 'kernel/fs/fuse/cuse.ko:\n',
    });
    const plan = () => planModules(memory.host, { modules: ['cuse', 'vfio-pci'], now: false });
    deepEqual((await plan()).notes, [
      'kernel 6.1.0-18 has no module vfio-pci, which hands a network card to the switch: nothing to load',
    ]);
    deepEqual(commandsOf(await plan()), []);
    await cycle(memory, plan);
  });

  it('of a kernel that lists none cannot be told', async () => {
    const memory = new MemoryHost({ '/proc/sys/kernel/osrelease': '6.18.44\n' }).dir('/sys/class/misc/tun');
    const { steps, notes } = await planModules(memory.host, { modules: ['cuse', 'tun'], now: true });
    deepEqual(notes, [
      'whether kernel 6.18.44 has the module cuse is not known: there is no list in /lib/modules/6.18.44',
      'tun is built into kernel 6.18.44: nothing to load',
    ]);
    deepEqual(steps[0]?.actions, []);
    deepEqual((await planModules(memory.host, { modules: [], now: true })).steps, []);
  });

  it('that a package of the same plan brings are loaded after it', async () => {
    const memory = debian12().file(
      '/lib/modules/6.1.0-18-amd64/modules.dep',
      'kernel/drivers/vfio/pci/vfio-pci.ko.xz:\n',
    );
    const spec = { modules: ['cuse'], now: true } as const;
    deepEqual(commandsOf(await planModules(memory.host, spec)), []);
    deepEqual(commandsOf(await planModules(memory.host, { ...spec, coming: ['cuse'] })), ['modprobe -a cuse']);
  });

  it('that modprobe does not find, or that are not there after it, fail the step', async () => {
    const absent = debian12();
    absent.commands.set(LOAD, { exitCode: 1, stderr: 'modprobe: FATAL: Module cuse not found' });
    const run = async (memory: MemoryHost): Promise<string> => {
      const { steps } = await planModules(memory.host, { modules: ALL, now: true });
      return (await refusalOf(applySteps(memory.host, steps, OPTIONS))).message;
    };
    match(await run(absent), /^modules failed: modprobe -a vfio-pci cuse failed \(exit code 1\): .*cuse not found$/);
    match(await run(loading(debian12(), 'cuse 1 0 - Live 0x0\n')), /: vfio-pci still not loaded after modprobe: /);
  });

  it('that are not wanted any more leave the file', async () => {
    const memory = rhel9();
    await applyOnce(memory, () => planModules(memory.host, { modules: ['cuse', 'vfio-pci'], now: true }));
    await applyOnce(memory, () => planModules(memory.host, { modules: ['cuse'], now: true }));
    match(await memory.host.read(MODULES_LOAD), /^# .*\ncuse\n$/);
  });
});
