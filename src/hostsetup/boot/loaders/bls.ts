import { VhostHostError } from '../../../common/errors.js';
import { planWrites } from '../../../changes/steps.js';
import type { RunCommand, WriteFile } from '../../../changes/steps.js';
import { cmdlineWrites } from '../cmdline.js';
import { checkedWrites, draftDefaultGrub } from '../grub/grub.js';
import { withCommands } from '../method.js';
import type { BootDraft, BootMethod } from '../method.js';
import { applySpec, ownArgs, withoutOwn } from '../../kernel/spec.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import type { Host } from '../../../host/host.js';

/**
 * Boot entries as files of their own (Boot Loader Specification). Edited as files and not by `grubby`: its
 * versions differ in what they do with a name that comes twice, as `hugepagesz` does, and some put the second
 * value in the place of the first, and that of `hugepagesz` in the place of `default_hugepagesz`.
 */

const OPTIONS = /^(options[ \t]+)(.*)$/gm;
const KERNELOPTS = /\$\{?kernelopts\b/;

export function optionsIn(entry: string): string {
  return [...entry.matchAll(OPTIONS)].map((found) => found[2] ?? '').join(' ');
}

/** Of several lines with options the first gets all of ours; what comes from the environment stays there. */
export function editEntry(entry: string, spec: KernelArgsSpec): string {
  const all = optionsIn(entry);
  if (KERNELOPTS.test(all))
    return entry.replace(OPTIONS, (_, key: string, line: string) => key + withoutOwn(line, spec));
  const own = ownArgs(all, spec).join(' ');
  if (all !== '' && applySpec(all, spec) === all) return entry;
  if (all === '') return `${entry.replace(/\n?$/, '\n')}options ${applySpec('', spec)}\n`;
  let first = true;
  return entry.replace(OPTIONS, (_, key: string, line: string) => {
    if (!first) return key + withoutOwn(line, spec);
    first = false;
    const missing = ownArgs(line, spec).join(' ') === own ? line : `${withoutOwn(line, spec)} ${own}`;
    return key + applySpec(missing, spec);
  });
}

/** A variable of a GRUB environment block, in which a backslash stands before one and before a line end. */
export function envValue(block: string, name: string): string | undefined {
  const found = new RegExp(`^${name}=((?:\\\\[^]|[^\\n\\\\])*)$`, 'm').exec(block)?.[1];
  return found?.replace(/\\([^])/g, '$1');
}

/** undefined where a variable stands for the whole command line, and nobody says what is in it. */
export function expandOptions(options: string, blocks: readonly string[]): string | undefined {
  const variable = /\$(?:\{(\w+)\}|(\w+))/g;
  const valueOf = (name: string): string | undefined =>
    blocks.map((block) => envValue(block, name)).find((value) => value !== undefined);
  const names = [...options.matchAll(variable)].map(([, braced, bare]) => braced ?? bare ?? '');
  if (names.includes('kernelopts') && valueOf('kernelopts') === undefined) return undefined;
  return options.replace(variable, (_, braced?: string, bare?: string) => valueOf(braced ?? bare ?? '') ?? '');
}

/** By GRUB's own tool and not as a file: the boot loader itself writes into the same block at each start. */
async function envRuns(host: Host, envs: readonly string[], spec: KernelArgsSpec): Promise<RunCommand[]> {
  const runs: RunCommand[] = [];
  for (const path of envs) {
    const before = envValue(await host.read(path), 'kernelopts') ?? '';
    const after = applySpec(before, spec);
    const set = (line: string): string[] => ['grub2-editenv', path, 'set', `kernelopts=${line}`];
    if (after !== before) runs.push({ kind: 'run', command: set(after), undo: set(before) });
  }
  return runs;
}

async function entryWrites(host: Host, { entries, envs }: Bls, spec: KernelArgsSpec): Promise<WriteFile[]> {
  const writes: WriteFile[] = [];
  for (const path of entries) {
    const text = await host.read(path);
    if (KERNELOPTS.test(optionsIn(text)) && envs.length === 0) {
      throw new VhostHostError('SETUP_REFUSED', `${path} takes its arguments from kernelopts, which no grubenv has`, {
        hint: 'grub2-editenv - list',
        details: { path },
      });
    }
    writes.push({ kind: 'write', path, text: editEntry(text, spec) });
  }
  return writes;
}

type Bls = Extract<BootMethod, { kind: 'bls' }>;

/** The entries for the kernels that are there, and the files that those to come are made from. */
export async function draftBls(host: Host, spec: KernelArgsSpec, method: Bls): Promise<BootDraft> {
  const newest = await host.read(method.entries.at(-1) ?? '');
  const fromEnv = KERNELOPTS.test(optionsIn(newest)) ? method.envs[0] : undefined;
  const current = fromEnv === undefined ? optionsIn(newest) : (envValue(await host.read(fromEnv), 'kernelopts') ?? '');
  const grub = await draftDefaultGrub(host, spec);
  const kernels = await cmdlineWrites(host, spec, 'all lines');
  const writes = [...(await entryWrites(host, method, spec)), ...kernels, ...(grub?.writes ?? [])];
  const { actions: planned, diff } = await planWrites(host, writes);
  const actions = grub === undefined ? planned : checkedWrites(grub.edit, spec, planned);
  const runs = await envRuns(host, method.envs, spec);
  const all = [...actions, ...runs];
  const how = ['the boot entries', ...method.envs, ...writes.slice(method.entries.length).map(({ path }) => path)];
  return {
    how: how.join(', '),
    current,
    actions: method.zipl ? withCommands(all, [['zipl']]) : all,
    diff: diff + runs.map(({ command = [] }) => `run: ${command.join(' ')}\n`).join(''),
  };
}

/** What is wrong with the blocks afterwards; the entries are read back as files. */
export async function checkEnvs(
  host: Host,
  spec: KernelArgsSpec,
  envs: readonly string[],
): Promise<string | undefined> {
  for (const path of envs) {
    const line = envValue(await host.read(path), 'kernelopts') ?? '';
    if (applySpec(line, spec) !== line) return `${path} has not taken the arguments: kernelopts=${line}`;
  }
  return undefined;
}
