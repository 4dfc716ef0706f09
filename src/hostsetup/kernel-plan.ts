import type { Host } from '../host.js';
import type { Action, Step } from '../steps.js';
import { checkEnvs, draftBls } from './boot-bls.js';
import { snippetOf } from './boot-declarative.js';
import { detectBoot } from './boot-detect.js';
import { draftDropIn, draftGrub } from './boot-grub.js';
import { checkLoader, draftKernelInstall, draftLoaderEntries } from './boot-systemd-draft.js';
import type { BootDraft, BootMethod } from './boot-method.js';
import { checkGrubConfig } from './boot-readback.js';
import { draftRpmOstree, readKargs } from './boot-rpm-ostree.js';
import { ownedByTuned, readTuned } from './kernel-tuned.js';
import { implicitPageSize } from './kernel-running.js';
import { fulfils, ownArgs, wishText } from './kernel-wish.js';
import type { KernelWish } from './kernel-wish.js';

/** What the user has to do, where nothing may be edited. */
export interface ByHand {
  readonly reason: string;
  readonly snippet: string;
}

export interface KernelPlan {
  readonly method: BootMethod['kind'];
  /** One step, or none where it is up to the user. */
  readonly steps: readonly Step[];
  readonly byHand: ByHand | undefined;
  /** What the user should know besides. */
  readonly notes: readonly string[];
}

/** Looks, and changes nothing. Doing what the plan says twice changes nothing the second time. */
export async function planKernelArguments(host: Host, asked: KernelWish): Promise<KernelPlan> {
  const wish = { implicitSize: await implicitPageSize(host), ...asked };
  const method = await detectBoot(host);
  const tuned = await readTuned(host);
  const owned = tuned === undefined ? [] : ownedByTuned(tuned, wish);
  const running = (await host.readOptional('/proc/cmdline')) ?? '';
  const leave = (reason: string, style: Parameters<typeof snippetOf>[0] = 'plain'): KernelPlan => {
    const done = running !== '' && fulfils(running, wish);
    const byHand = done ? undefined : { reason, snippet: snippetOf(style, wishText(running, wish)) };
    return { method: method.kind, steps: [], byHand, notes: done ? [`the running kernel has them (${reason})`] : [] };
  };
  if (tuned !== undefined && owned.length > 0) {
    const reason = `tuned's profile ${tuned.profile} sets ${owned.join(' ')}; change it there, then tuned-adm profile`;
    return leave(`${reason} ${tuned.profile}`);
  }
  if (method.kind === 'by-hand') return leave(method.reason, method.style);
  const draft = await draftOf(host, wish, method);
  if (draft === undefined) return leave('/etc/kernel/cmdline is not there, and nothing says what it would have to be');
  const notes =
    tuned === undefined
      ? []
      : [`tuned's profile ${tuned.profile} adds arguments of its own, which stay: ${tuned.args}`];
  return {
    method: method.kind,
    steps: [stepOf(wish, method, { ...draft, actions: await actionsOf(host, wish, method, draft) })],
    byHand: undefined,
    notes,
  };
}

type Editable = Exclude<BootMethod, { kind: 'by-hand' }>;

async function draftOf(host: Host, wish: KernelWish, method: Editable): Promise<BootDraft | undefined> {
  switch (method.kind) {
    case 'bls':
      return draftBls(host, wish, method);
    case 'drop-in':
      return draftDropIn(host, wish, ['update-grub']);
    case 'proxmox':
      // One tool for both of its boot loaders: each finds the arguments in its own place.
      return draftDropIn(host, wish, ['proxmox-boot-tool', 'refresh']);
    case 'grub':
      return draftGrub(host, wish, method.commands);
    case 'kernel-install':
      return draftKernelInstall(host, wish, method);
    case 'loader-entries':
      return draftLoaderEntries(host, wish, method.entries);
    case 'rpm-ostree':
      return draftRpmOstree(host, wish);
    case 'both':
      return draftBoth(host, wish, method.methods);
  }
}

async function draftBoth(host: Host, wish: KernelWish, methods: readonly Editable[]): Promise<BootDraft | undefined> {
  const drafts: BootDraft[] = [];
  for (const method of methods) {
    const draft = await draftOf(host, wish, method);
    if (draft === undefined) return undefined;
    drafts.push({ ...draft, actions: await actionsOf(host, wish, method, draft) });
  }
  // Looks first: nothing is changed for one of them where the other cannot be.
  const actions = drafts.flatMap((draft) => draft.actions);
  const looks = drafts.flatMap((draft) => draft.actions.filter((action, i) => i === 0 && action.kind === 'check'));
  return {
    how: drafts.map(({ how }) => how).join('; and '),
    current: drafts.find(({ current }) => !fulfils(current, wish))?.current ?? drafts[0]?.current ?? '',
    actions: [...looks, ...actions.filter((action) => !looks.includes(action))],
    diff: drafts.map(({ diff }) => diff).join(''),
  };
}

/** Where all files say it already, but a run was cut off before the boot loader took note, it does so now. */
async function actionsOf(
  host: Host,
  wish: KernelWish,
  method: Editable,
  { actions }: BootDraft,
): Promise<readonly Action[]> {
  const commands = commandsOf(method);
  if (actions.length > 0 || commands.length === 0) return actions;
  if ((await readBack(host, wish, method)) === undefined) return [];
  return commands.map((command) => ({ kind: 'run', command }));
}

/** What makes the boot loader take note of files, where that can be read back. */
function commandsOf(method: Editable): readonly (readonly string[])[] {
  if (method.kind === 'drop-in') return [['update-grub']];
  return method.kind === 'grub' || method.kind === 'kernel-install' ? method.commands : [];
}

function stepOf(wish: KernelWish, method: Editable, { how, current, actions, diff }: BootDraft): Step {
  return {
    id: 'kernel-arguments',
    title: `kernel arguments: ${how}`,
    why: 'hugepages of 1G are found only at boot, while memory is in one piece, and the IOMMU is switched on there',
    current: ownArgs(current, wish).join(' ') || 'none',
    wanted: wishText(current, wish) || 'none',
    diff,
    actions,
    needsReboot: actions.length > 0,
    // The file for later kernels is right, whatever became of the ones that are there.
    takesBack: method.kind !== 'kernel-install',
    verify: (host) => readBack(host, wish, method),
  };
}

/** What the tools made of it. */
async function readBack(host: Host, wish: KernelWish, method: Editable): Promise<string | undefined> {
  switch (method.kind) {
    case 'bls':
      return checkEnvs(host, wish, method.envs);
    case 'drop-in':
      return checkGrubConfig(host, wish, '/boot/grub/grub.cfg');
    case 'grub': {
      const paths = method.commands.filter((command) => command.includes('-o')).map((command) => command.at(-1) ?? '');
      for (const path of paths) {
        const wrong = await checkGrubConfig(host, wish, path);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    }
    case 'rpm-ostree': {
      const kargs = await readKargs(host);
      return fulfils(kargs, wish) ? undefined : `rpm-ostree has not taken the arguments: ${kargs}`;
    }
    case 'loader-entries':
    case 'kernel-install':
      return checkLoader(host, wish);
    case 'both':
      for (const one of method.methods) {
        const wrong = await readBack(host, wish, one);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    case 'proxmox':
      // It writes to partitions that are not mounted; its exit code is all.
      return undefined;
  }
}
