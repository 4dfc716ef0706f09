import { planWrites, readSnapshot } from '../../../changes/steps.js';
import type { Action, WriteFile } from '../../../changes/steps.js';
import { cmdlineWrites } from '../cmdline.js';
import { editGrub } from './edit.js';
import type { GrubEdit, OwnFile } from './edit.js';
import { MAIN } from './line.js';
import { withCommands } from '../method.js';
import type { BootDraft } from '../method.js';
import { statements } from '../../system/shell-vars.js';
import { sourcedChecks } from './sourced.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import type { ShellFile } from '../../system/shell-values.js';
import type { Host } from '../../../host/host.js';

export const DEFAULT_GRUB = '/etc/default/grub';
const DROP_IN_DIR = '/etc/default/grub.d';
const OWN_NAMES = ['95-vhost-host.cfg', 'zz-vhost-host.cfg'] as const;

export interface GrubDraft {
  readonly edit: GrubEdit;
  readonly writes: readonly WriteFile[];
}

/** The change to `/etc/default/grub` itself; none where the system has no such file. */
export async function draftDefaultGrub(host: Host, spec: KernelArgsSpec): Promise<GrubDraft | undefined> {
  const text = (await readSnapshot(host, DEFAULT_GRUB))?.text;
  if (text === undefined) return undefined;
  const edit = editGrub([{ path: DEFAULT_GRUB, text }], spec);
  return { edit, writes: writesOf(edit) };
}

const writesOf = ({ files }: GrubEdit): WriteFile[] => files.map(({ path, text }) => ({ kind: 'write', path, text }));

/** The writes between the two looks that a shell takes at the files; none where nothing of theirs is written. */
export function checkedWrites(edit: GrubEdit, spec: KernelArgsSpec, actions: readonly WriteFile[]): Action[] {
  if (!actions.some(({ path }) => edit.files.some((file) => file.path === path))) return [...actions];
  const [before, after] = sourcedChecks(edit, spec);
  return [before, ...actions, after];
}

/** Classic GRUB 2: the file that everybody edits, and the command that reads it. */
export async function draftGrub(
  host: Host,
  spec: KernelArgsSpec,
  commands: readonly (readonly string[])[],
): Promise<BootDraft> {
  const edit = editGrub([{ path: DEFAULT_GRUB, text: (await readSnapshot(host, DEFAULT_GRUB))?.text ?? '' }], spec);
  const { actions, diff } = await planWrites(host, writesOf(edit));
  const how = `${DEFAULT_GRUB}, then ${commands.map((command) => command.join(' ')).join(' and ')}`;
  return { how, current: edit.before.line, actions: withCommands(checkedWrites(edit, spec, actions), commands), diff };
}

async function readGrubFiles(host: Host): Promise<ShellFile[]> {
  const names = [...(await host.list(DROP_IN_DIR))].filter((name) => name.endsWith('.cfg')).sort();
  const files: ShellFile[] = [];
  for (const path of [DEFAULT_GRUB, ...names.map((name) => `${DROP_IN_DIR}/${name}`)]) {
    const text = (await readSnapshot(host, path))?.text;
    if (text !== undefined) files.push({ path, text });
  }
  return files;
}

/** Whether what the variable had before may be lost by this file. */
function setsAfresh({ text }: ShellFile): boolean {
  return statements(text).some((one) => {
    if (one.kind === 'other') return one.text.includes(MAIN);
    const builds = one.value.pieces.some((piece) => piece.kind === 'variable' && piece.name === MAIN);
    return one.name === MAIN && !one.appends && !builds;
  });
}

/** Behind every file that sets the variable afresh, or what we append would be lost again. */
function ownPath(files: readonly ShellFile[]): string {
  const usual = `${DROP_IN_DIR}/${OWN_NAMES[0]}`;
  const last = `${DROP_IN_DIR}/${OWN_NAMES[1]}`;
  return files.some((file) => file.path > usual && file.path !== last && setsAfresh(file)) ? last : usual;
}

const dropIn =
  (path: string): OwnFile =>
  (args) => ({
    path,
    text: `# Written by vhost-host; changes in here are lost.\n${MAIN}="$${MAIN} ${args}"\n`,
  });

/**
 * Debian and its kin: a file of our own that appends to what the others say. Cloud images set the command line
 * in files of that directory, so the main file is not the place.
 */
export async function draftDropIn(host: Host, spec: KernelArgsSpec, command: readonly string[]): Promise<BootDraft> {
  const files = await readGrubFiles(host);
  const edit = editGrub(files, spec, dropIn(ownPath(files)));
  const kernels = command[0] === 'update-grub' ? [] : await cmdlineWrites(host, spec, 'first line');
  const { actions, diff } = await planWrites(host, [...kernels, ...writesOf(edit)]);
  const how = `${kernels.map(({ path }) => `${path}, `).join('')}${DROP_IN_DIR}, then ${command.join(' ')}`;
  const checked = checkedWrites(edit, spec, actions);
  return { how, current: edit.before.line, actions: withCommands(checked, [command]), diff };
}
