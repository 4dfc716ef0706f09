import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { applySteps } from '../../../../src/changes/apply.js';
import { VhostHostError } from '../../../../src/common/errors.js';
import { planKernelArguments } from '../../../../src/hostsetup/boot/plan.js';
import type { KernelPlan } from '../../../../src/hostsetup/boot/plan.js';
import type { KernelArgsSpec } from '../../../../src/hostsetup/kernel/spec.js';
import { doSteps, undoSteps } from '../../../helpers/host/steps.js';
import { OPTIONS } from '../../changes/steps-support.js';
import { ROOT, system, systems } from './support.js';
import type { System } from './support.js';
import type { Host } from '../../../../src/host/host.js';

/** `NAME/plan.out` is what the plan says about that system. UPDATE_GOLDEN=1 writes it anew; a missing one fails. */

const SPEC: KernelArgsSpec = {
  hugepages: {
    defaultSize: '1G',
    pools: [
      { size: '1G', count: 8 },
      { size: '2M', count: 256 },
    ],
  },
  iommu: 'intel',
};

function render({ method, steps, byHand, notes }: KernelPlan): string {
  const lines = [`method: ${method}`, ...notes.map((note) => `note: ${note}`)];
  if (byHand !== undefined) lines.push(`by hand: ${byHand.reason}`, byHand.snippet);
  for (const { title, current, wanted, actions, diff, needsReboot } of steps) {
    lines.push(title, `current: ${current}`, `wanted: ${wanted}`, `needs reboot: ${needsReboot}`);
    for (const action of actions) {
      if (action.kind === 'write') lines.push(`write ${action.path}`);
      if (action.kind === 'run')
        lines.push(`run ${action.command?.join(' ') ?? '-'}; undone by ${action.undo?.join(' ') ?? '-'}`);
    }
    lines.push(diff);
  }
  return `${lines.join('\n')}\n`;
}

const apply = async ({ host }: System, spec: KernelArgsSpec): Promise<string[]> =>
  doSteps(host, (await planKernelArguments(host, spec)).steps);

const undo = ({ host }: System): Promise<string[]> => undoSteps(host);

describe('kernel arguments: real systems', () => {
  for (const name of systems) {
    it(`${name}: the plan`, async () => {
      const { host } = system(name);
      const got = render(await planKernelArguments(host, SPEC));
      const path = `${ROOT}/${name}/plan.out`;
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, got);
      equal(got, readFileSync(path, 'utf8'));
    });

    it(`${name}: done once, nothing is left to do, and undo leaves no trace`, async () => {
      const there = system(name);
      const before = there.state();
      const done = await apply(there, SPEC);
      const plan = await planKernelArguments(there.host, SPEC);
      equal(plan.byHand === undefined, done.length === 1);
      if (done.length === 1) {
        deepEqual(plan.steps[0]?.actions, []);
        equal(plan.steps[0]?.current, plan.steps[0]?.wanted);
        deepEqual(await apply(there, SPEC), []);
      }
      await undo(there);
      deepEqual(there.state(), before);
    });

    it(`${name}: a second spec replaces the first, and undo takes both back`, async () => {
      const there = system(name);
      const before = there.state();
      await apply(there, SPEC);
      const changed = await apply(there, { hugepages: { pools: [{ size: '1G', count: 12 }] } });
      const { steps } = await planKernelArguments(there.host, SPEC);
      if (changed.length > 0) ok(steps[0]?.current.includes('hugepagesz=1G hugepages=12 hugepagesz=2M hugepages=256'));
      await undo(there);
      deepEqual(there.state(), before);
    });
  }
});

describe('kernel arguments: odd systems', () => {
  it('hugepages that a script puts on the line are refused, with the line', async () => {
    const there = system('debian-12');
    there.memory.file('/etc/default/grub.d/60-x.cfg', 'if true; then GRUB_CMDLINE_LINUX="hugepages=3"; fi\n');
    await refused(there, /60-x\.cfg:1: arguments of ours in what is no plain assignment: if true; then /);
  });

  it('kernelopts that no environment block has are refused', async () => {
    const there = system('rhel-8');
    there.memory.entries.delete('/boot/efi/EFI/redhat/grubenv');
    await refused(there, /takes its arguments from kernelopts, which no grubenv has$/);
  });

  it('a block that the tool leaves as it is fails the step', async () => {
    const { memory, host } = system('rhel-8');
    const { steps } = await planKernelArguments(host, SPEC);
    const lazy: Host['run'] = (...told) => (told[0] === 'grub2-editenv' ? memory.host : host).run(...told);
    await fails(applySteps({ ...host, run: lazy }, steps, OPTIONS), /has not taken the arguments: kernelopts=root=/);
  });

  it('a configuration that came out without the arguments fails the step', async () => {
    const { memory, host } = system('debian-12');
    const text =
      '### BEGIN /etc/grub.d/10_linux ###\n\tlinux /vmlinuz root=/dev/sda1 quiet\n### END /etc/grub.d/10_linux ###\n';
    memory.file('/boot/grub/grub.cfg', text);
    const { steps } = await planKernelArguments(host, SPEC);
    await fails(applySteps(host, steps, OPTIONS), /a kernel in it has none of the arguments: something else sets/);
  });

  it('a configuration that comes out otherwise is taken back, with the files it was made from', async () => {
    const there = system('debian-13-both');
    const before = there.state();
    const { steps } = await planKernelArguments(there.host, SPEC);
    const run: Host['run'] = async (...told) => {
      const done = await there.host.run(...told);
      // Somebody's script of /etc/grub.d that knows better.
      const menu = there.memory.entries.get('/boot/grub/grub.cfg');
      if (menu !== undefined) menu.text = menu.text.replace(/ hugepages=\d+/g, '');
      return done;
    };
    await fails(
      applySteps({ ...there.host, run }, steps, OPTIONS),
      /^nothing was changed, .*; its changes were taken back$/,
    );
    deepEqual(there.state(), before);
  });

  it('arguments that only the shell finds are refused before anything is written', async () => {
    const there = system('debian-12');
    there.memory.file('/etc/default/grub.d/60-x.cfg', 'for n in pages; do GRUB_CMDLINE_LINUX="huge$n=3"; done\n');
    const before = there.state();
    const { steps } = await planKernelArguments(there.host, SPEC);
    await fails(applySteps(there.host, steps, OPTIONS), /^nothing was changed, .* in there sets hugepages=3$/);
    deepEqual(there.state(), before);
  });

  it('zipl takes note of changed entries, before and after', async () => {
    const there = system('rhel-9');
    there.memory.file('/etc/zipl.conf', '[defaultboot]\n');
    await apply(there, SPEC);
    deepEqual(there.memory.ran, ['zipl']);
    await undo(there);
    deepEqual(there.memory.ran, ['zipl', 'zipl']);
  });

  it('kernel-install without a command line of its own starts from the running one', async () => {
    const there = system('fedora-image');
    there.memory.entries.delete('/etc/kernel/cmdline');
    equal((await planKernelArguments(there.host, SPEC)).steps.length, 0);
    there.memory.file('/proc/cmdline', 'BOOT_IMAGE=/vmlinuz initrd=\\x.img root=/dev/sda2 rw\n');
    await apply(there, { iommu: 'amd' });
    equal(await there.host.read('/etc/kernel/cmdline'), 'root=/dev/sda2 rw iommu=pt\n');
  });

  it('arguments that the running kernel has need no snippet', async () => {
    const there = system('nixos');
    there.memory.file(
      '/proc/cmdline',
      'a=b default_hugepagesz=1G hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=256 intel_iommu=on iommu=pt\n',
    );
    const { byHand, steps, notes } = await planKernelArguments(there.host, SPEC);
    deepEqual([byHand, steps.length, notes.length], [undefined, 0, 1]);
  });
});

async function refused({ host }: System, message: RegExp): Promise<void> {
  await fails(planKernelArguments(host, SPEC), message);
}

async function fails(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  ok(error instanceof VhostHostError && message.test(error.message), String(error));
}
