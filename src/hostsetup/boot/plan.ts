import { VhostHostError } from '../../common/errors.js';
import type { Action, Step } from '../../changes/steps.js';
import { checkEnvs, draftBls } from './loaders/bls.js';
import { snippetOf } from './declarative.js';
import { detectBoot } from './detect.js';
import { draftDropIn, draftGrub } from './grub/grub.js';
import { handWork } from './loaders/hand.js';
import { checkLoader, draftKernelInstall, draftLoaderEntries } from './loaders/systemd-draft.js';
import type { BootDraft, BootMethod, SnippetStyle } from './method.js';
import { checkProxmox, unreadOfProxmox } from './loaders/proxmox.js';
import { checkGrubConfig, checkGrubStarts } from './readback.js';
import { draftRpmOstree, readKargs } from './rpm-ostree.js';
import { declaredLine } from './declared-line.js';
import { ownedByTuned, readTuned } from '../kernel/tuned.js';
import { pagesOnLine } from '../kernel/hugepage-notes.js';
import type { PagesOnLine } from '../kernel/hugepage-notes.js';
import { implicitPageSize } from '../kernel/running.js';
import { fulfils, ownArgs, specText } from '../kernel/spec.js';
import type { KernelArgsSpec } from '../kernel/spec.js';
import type { ByHand } from '../../changes/part-plan.js';
import type { Host } from '../../host/host.js';

export interface KernelPlan {
  readonly method: BootMethod['kind'];
  /** One step, or none where it is up to the user. */
  readonly steps: readonly Step[];
  readonly byHand: ByHand | undefined;
  /** What the user should know besides. */
  readonly notes: readonly string[];
  /** The command line as it is going to be, as far as this is known. */
  readonly line: string;
  /** Pools on it that are larger than what is requested, and stay so, in a line for the user each. */
  readonly larger: readonly string[];
}

/** Looks, and changes nothing. Doing what the plan says twice changes nothing the second time. */
export async function planKernelArguments(host: Host, asked: KernelArgsSpec): Promise<KernelPlan> {
  const spec = { implicitSize: await implicitPageSize(host), ...asked };
  const method = await detectBoot(host);
  const tuned = await readTuned(host);
  const owned = tuned === undefined ? [] : ownedByTuned(tuned, spec);
  const running = (await host.readOptional('/proc/cmdline')) ?? '';
  const leave = (reason: string, style: SnippetStyle = 'plain'): KernelPlan => {
    const done = running !== '' && fulfils(running, spec);
    const byHand = done ? undefined : { reason, snippet: snippetOf(style, specText(running, spec)) };
    const { notes, ...pages } = pagesOnLine(running, spec);
    const known = done ? [`the running kernel has them (${reason})`] : [];
    return { method: method.kind, steps: [], byHand, ...pages, notes: [...known, ...notes] };
  };
  if (tuned !== undefined && owned.length > 0) {
    const reason = `tuned's profile ${tuned.profile} sets ${owned.join(' ')}; change it there, then tuned-adm profile`;
    return leave(`${reason} ${tuned.profile}`);
  }
  if (method.kind === 'by-hand') return editByHand(host, spec, method, leave);
  const draft = await draftOf(host, spec, method);
  if (draft === undefined) return leave('/etc/kernel/cmdline is not there, and nothing says what it would have to be');
  const pages = pagesOnLine(draft.current, spec);
  const notes =
    tuned === undefined
      ? []
      : [`tuned's profile ${tuned.profile} adds arguments of its own, which stay: ${tuned.args}`];
  return {
    method: method.kind,
    steps: [stepOf(spec, method, { ...draft, actions: await actionsOf(host, spec, method, draft) })],
    byHand: undefined,
    ...pages,
    notes: [...notes, ...pages.notes],
  };
}

/** The command line that the next boot has as things stand; that of the running kernel where nothing tells. */
export async function nextCommandLine(host: Host): Promise<string> {
  const tuned = (await readTuned(host))?.args ?? '';
  const running = (await host.readOptional('/proc/cmdline')) ?? '';
  try {
    const method = await detectBoot(host);
    const draft = method.kind === 'by-hand' ? undefined : await draftOf(host, { hugepages: { pools: [] } }, method);
    return draft === undefined ? running : `${draft.current} ${tuned}`.trim();
  } catch (error) {
    // A place that cannot be read is for the planner to refuse, where somebody wants it changed.
    if (error instanceof VhostHostError) return running;
    throw error;
  }
}

/** Where a file says what the next boot has, that counts, and not what the running kernel happens to have. */
async function editByHand(
  host: Host,
  spec: KernelArgsSpec,
  { kind, reason, style, places }: Extract<BootMethod, { kind: 'by-hand' }>,
  leave: (reason: string, style: SnippetStyle) => KernelPlan,
): Promise<KernelPlan> {
  const declared = await declaredLine(host, style);
  if (declared !== undefined && fulfils(declared, spec)) return inPlace(kind, reason, pagesOnLine(declared, spec));
  if (places.length === 0) return leave(reason, style);
  const { current, done, snippet } = await handWork(host, places, spec);
  if (current === undefined) {
    const asked = leave(reason, style);
    return asked.byHand === undefined ? asked : { ...asked, byHand: { reason, snippet } };
  }
  const pages = pagesOnLine(current, spec);
  return done ? inPlace(kind, reason, pages) : { method: kind, steps: [], byHand: { reason, snippet }, ...pages };
}

function inPlace(method: BootMethod['kind'], reason: string, { notes, ...pages }: PagesOnLine): KernelPlan {
  const known = `the next boot has the arguments: ${reason}`;
  return { method, steps: [], byHand: undefined, ...pages, notes: [known, ...notes] };
}

type Editable = Exclude<BootMethod, { kind: 'by-hand' }>;

async function draftOf(host: Host, spec: KernelArgsSpec, method: Editable): Promise<BootDraft | undefined> {
  switch (method.kind) {
    case 'bls':
      return draftBls(host, spec, method);
    case 'drop-in':
      return draftDropIn(host, spec, ['update-grub']);
    case 'proxmox':
      // One tool for both of its boot loaders: each finds the arguments in its own place.
      return draftDropIn(host, spec, ['proxmox-boot-tool', 'refresh']);
    case 'grub':
      return draftGrub(host, spec, method.commands);
    case 'kernel-install':
      return draftKernelInstall(host, spec, method);
    case 'loader-entries':
      return draftLoaderEntries(host, spec, method.entries);
    case 'rpm-ostree':
      return draftRpmOstree(host, spec);
    case 'both':
      return draftBoth(host, spec, method.methods);
  }
}

async function draftBoth(
  host: Host,
  spec: KernelArgsSpec,
  methods: readonly Editable[],
): Promise<BootDraft | undefined> {
  const drafts: BootDraft[] = [];
  for (const method of methods) {
    const draft = await draftOf(host, spec, method);
    if (draft === undefined) return undefined;
    drafts.push({ ...draft, actions: await actionsOf(host, spec, method, draft) });
  }
  // Looks first: nothing is changed for one of them where the other cannot be.
  const actions = drafts.flatMap((draft) => draft.actions);
  const looks = drafts.flatMap((draft) => draft.actions.filter((action, i) => i === 0 && action.kind === 'check'));
  return {
    how: drafts.map(({ how }) => how).join('; and '),
    current: drafts.find(({ current }) => !fulfils(current, spec))?.current ?? drafts[0]?.current ?? '',
    actions: [...looks, ...actions.filter((action) => !looks.includes(action))],
    diff: drafts.map(({ diff }) => diff).join(''),
  };
}

/** Where all files say it already, but a run was cut off before the boot loader took note, it does so now. */
async function actionsOf(
  host: Host,
  spec: KernelArgsSpec,
  method: Editable,
  { actions }: BootDraft,
): Promise<readonly Action[]> {
  const commands = commandsOf(method);
  if (actions.length > 0 || commands.length === 0) return actions;
  if ((await readBack(host, spec, method)) === undefined) return [];
  return commands.map((command) => ({ kind: 'run', command }));
}

/** What makes the boot loader take note of files, where that can be read back. */
function commandsOf(method: Editable): readonly (readonly string[])[] {
  if (method.kind === 'drop-in') return [['update-grub']];
  return method.kind === 'grub' || method.kind === 'kernel-install' ? method.commands : [];
}

function stepOf(spec: KernelArgsSpec, method: Editable, { how, current, actions, diff }: BootDraft): Step {
  return {
    id: 'kernel-arguments',
    title: `kernel arguments: ${how}`,
    why: 'hugepages of 1G are found only at boot, while memory is in one piece, and the IOMMU is switched on there',
    current: ownArgs(current, spec).join(' ') || 'none',
    wanted: specText(current, spec) || 'none',
    diff,
    actions,
    needsReboot: actions.length > 0,
    // The file for later kernels is right, whatever became of the ones that are there.
    takesBack: method.kind !== 'kernel-install',
    verify: (host) => readBack(host, spec, method),
    ...(method.kind === 'proxmox' ? { remark: unreadOfProxmox } : {}),
  };
}

/** What the tools made of it. */
async function readBack(host: Host, spec: KernelArgsSpec, method: Editable): Promise<string | undefined> {
  switch (method.kind) {
    case 'bls':
      return (await checkEnvs(host, spec, method.envs)) ?? checkGrubStarts(host, spec);
    case 'drop-in':
      return checkGrubConfig(host, spec, '/boot/grub/grub.cfg');
    case 'grub': {
      const paths = method.commands.filter((command) => command.includes('-o')).map((command) => command.at(-1) ?? '');
      for (const path of paths) {
        const wrong = await checkGrubConfig(host, spec, path);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    }
    case 'rpm-ostree': {
      const kargs = await readKargs(host);
      return fulfils(kargs, spec) ? undefined : `rpm-ostree has not taken the arguments: ${kargs}`;
    }
    case 'loader-entries':
    case 'kernel-install':
      return checkLoader(host, spec);
    case 'both':
      for (const one of method.methods) {
        const wrong = await readBack(host, spec, one);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    case 'proxmox':
      return checkProxmox(host, spec);
  }
}
