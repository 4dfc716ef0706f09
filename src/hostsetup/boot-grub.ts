import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import { planWrites, readSnapshot } from '../steps.js';
import type { WriteFile } from '../steps.js';
import { cmdlineWrites } from './boot-cmdline.js';
import { withCommands } from './boot-method.js';
import type { BootDraft } from './boot-method.js';
import { assignments, setValue, setsAfresh } from './boot-shell-vars.js';
import type { Assignment } from './boot-shell-vars.js';
import { applyWish, fulfils, ownArgs, withoutOwn } from './kernel-wish.js';
import type { KernelWish } from './kernel-wish.js';

export const DEFAULT_GRUB = '/etc/default/grub';
const DROP_IN_DIR = '/etc/default/grub.d';
const MAIN = 'GRUB_CMDLINE_LINUX';
const VARIABLES = [MAIN, 'GRUB_CMDLINE_LINUX_DEFAULT'];
const OWN_NAMES = ['95-vhost-host.cfg', 'zz-vhost-host.cfg'] as const;

interface GrubFile {
  readonly path: string;
  readonly text: string;
}

/** The assignments that end up on the command line. Arguments of ours in anything less plain are refused. */
function cmdlinesIn({ path, text }: GrubFile): Assignment[] {
  const found = assignments(text);
  const covered = (at: number): boolean => found.some(({ start, end }) => start <= at && at < end);
  for (const { index } of text.matchAll(/hugepages(?:z)?=/g)) {
    const line = text.slice(text.lastIndexOf('\n', index) + 1).split('\n', 1)[0] ?? '';
    if (covered(index) || /^\s*#/.test(line)) continue;
    throw new VhostHostError('SETUP_REFUSED', `${path}: hugepage arguments in a line that is no plain assignment`, {
      hint: `take them out of ${path}: ${line.trim()}`,
      details: { path, line },
    });
  }
  return found.filter(({ name }) => VARIABLES.includes(name));
}

/** From the last to the first, so that the places of the others stay right. */
function edit(text: string, list: readonly Assignment[], change: (assignment: Assignment) => string): string {
  return list.toReversed().reduce((now, assignment) => setValue(now, assignment, change(assignment)), text);
}

/** The values that the command line is made of: one that is set afresh later does not count. */
function valuesOf(files: readonly GrubFile[]): string {
  const all = files.flatMap(cmdlinesIn);
  const counts = all.filter(
    ({ name }, i) => !all.slice(i + 1).some((later) => later.name === name && setsAfresh(later)),
  );
  return VARIABLES.flatMap((name) => counts.filter((one) => one.name === name).map(({ value }) => value)).join(' ');
}

/** `/etc/default/grub` with the wish in one assignment: the one with arguments of ours, else the last. */
export function editDefaultGrub(file: GrubFile, wish: KernelWish): string {
  const { text } = file;
  if (fulfils(valuesOf([file]), wish)) return text;
  const list = cmdlinesIn(file);
  const owners = list.filter(({ value }) => ownArgs(value, wish).length > 0);
  const target = owners.at(-1) ?? list.findLast(({ name }) => name === MAIN);
  if (target === undefined) {
    const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    return `${start}${MAIN}="${applyWish('', wish)}"\n`;
  }
  const others = owners.filter((one) => one !== target).flatMap(({ value }) => ownArgs(value, wish));
  return edit(text, list, (one) =>
    one === target ? applyWish([one.value, ...others].join(' '), wish) : withoutOwn(one.value, wish),
  );
}

/** Classic GRUB 2: the file that everybody edits, and the command that reads it. */
export async function draftGrub(
  host: Host,
  wish: KernelWish,
  commands: readonly (readonly string[])[],
): Promise<BootDraft> {
  const file = { path: DEFAULT_GRUB, text: (await readSnapshot(host, DEFAULT_GRUB))?.text ?? '' };
  const write: WriteFile = { kind: 'write', path: DEFAULT_GRUB, text: editDefaultGrub(file, wish) };
  const { actions, diff } = await planWrites(host, [write]);
  const how = `${DEFAULT_GRUB}, then ${commands.map((command) => command.join(' ')).join(' and ')}`;
  return { how, current: valuesOf([file]), actions: withCommands(actions, commands), diff };
}

async function readGrubFiles(host: Host): Promise<GrubFile[]> {
  const names = [...(await host.list(DROP_IN_DIR))].filter((name) => name.endsWith('.cfg')).sort();
  const files: GrubFile[] = [];
  for (const path of [DEFAULT_GRUB, ...names.map((name) => `${DROP_IN_DIR}/${name}`)]) {
    const text = (await readSnapshot(host, path))?.text;
    if (text !== undefined) files.push({ path, text });
  }
  return files;
}

/** Behind every file that sets the variable afresh, or what we append would be lost again. */
function ownPath(files: readonly GrubFile[]): string {
  const usual = `${DROP_IN_DIR}/${OWN_NAMES[0]}`;
  const afresh = files.some(
    (file) => file.path > usual && cmdlinesIn(file).some((one) => one.name === MAIN && setsAfresh(one)),
  );
  return afresh ? `${DROP_IN_DIR}/${OWN_NAMES[1]}` : usual;
}

function dropInText(args: string): string {
  return `# Written by vhost-host; changes in here are lost.\n${MAIN}="$${MAIN} ${args}"\n`;
}

async function dropInWrites(host: Host, wish: KernelWish): Promise<{ current: string; writes: WriteFile[] }> {
  const files = await readGrubFiles(host);
  const current = valuesOf(files);
  if (fulfils(current, wish)) return { current, writes: [] };
  const path = ownPath(files);
  const args = applyWish(ownArgs(current, wish).join(' '), wish);
  const foreign = files.filter((file) => file.path !== path);
  const writes = foreign.map((file): WriteFile => {
    const text = edit(file.text, cmdlinesIn(file), ({ value }) => withoutOwn(value, wish));
    return { kind: 'write', path: file.path, text };
  });
  const hasOwn = foreign.length < files.length;
  return {
    current,
    writes: args === '' && !hasOwn ? writes : [...writes, { kind: 'write', path, text: dropInText(args) }],
  };
}

/**
 * Debian and its kin: a file of our own that appends to what the others say. Cloud images set the command line
 * in files of that directory, so the main file is not the place.
 */
export async function draftDropIn(host: Host, wish: KernelWish, command: readonly string[]): Promise<BootDraft> {
  const { current, writes } = await dropInWrites(host, wish);
  const kernels = command[0] === 'update-grub' ? [] : await cmdlineWrites(host, wish);
  const { actions, diff } = await planWrites(host, [...kernels, ...writes]);
  const how = `${kernels.map(({ path }) => `${path}, `).join('')}${DROP_IN_DIR}, then ${command.join(' ')}`;
  return { how, current, actions: withCommands(actions, [command]), diff };
}
