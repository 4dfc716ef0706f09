import { planWrites, readSnapshot } from '../../../changes/steps.js';
import type { WriteFile } from '../../../changes/steps.js';
import { editEntry, optionsIn } from './bls.js';
import { cmdlineIn, cmdlineWrites, editCmdline } from '../cmdline.js';
import { commandLineOf } from './image.js';
import { readLoader } from './systemd-boot.js';
import { withCommands } from '../method.js';
import type { BootDraft, BootMethod } from '../method.js';
import { kernelArgs } from '../../kernel/args.js';
import { fulfils, ownArgs } from '../../kernel/spec.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import type { Host } from '../../../host/host.js';

/** Systems that systemd-boot or the firmware starts: entries as files, and images made out of a command line. */

async function entryEdits(host: Host, spec: KernelArgsSpec, entries: readonly string[]): Promise<WriteFile[]> {
  const writes: WriteFile[] = [];
  for (const path of entries) writes.push({ kind: 'write', path, text: editEntry(await host.read(path), spec) });
  return writes;
}

/** kernel-install without such a file takes the distribution's, else the line of the running kernel. */
async function startingText(host: Host, path: string): Promise<string | undefined> {
  const own = (await readSnapshot(host, path))?.text ?? (await host.readOptional('/usr/lib/kernel/cmdline'));
  if (own !== undefined) return own;
  const running = await host.readOptional('/proc/cmdline');
  const kept = kernelArgs(running ?? '').filter(({ name }) => name !== 'BOOT_IMAGE' && name !== 'initrd');
  return running === undefined ? undefined : `${kept.map(({ text }) => text).join(' ')}\n`;
}

/** undefined where nothing says what the line starts from. */
export async function draftKernelInstall(
  host: Host,
  spec: KernelArgsSpec,
  { cmdline: path, commands, entries }: Extract<BootMethod, { kind: 'kernel-install' }>,
): Promise<BootDraft | undefined> {
  const before = await startingText(host, path);
  if (before === undefined) return undefined;
  const text = editCmdline(before, spec, 'all lines', path);
  const planned = text === before ? [] : [{ kind: 'write', path, text } as const];
  const { actions, diff } = await planWrites(host, [...planned, ...(await entryEdits(host, spec, entries))]);
  return {
    how: `${path}, then ${commands[0]?.slice(0, 2).join(' ') ?? ''}`,
    current: cmdlineIn(before, 'all lines'),
    actions: withCommands(actions, commands),
    diff,
  };
}

/** Entries of systemd-boot as files, and what later kernels' entries are made from. */
export async function draftLoaderEntries(
  host: Host,
  spec: KernelArgsSpec,
  entries: readonly string[],
): Promise<BootDraft> {
  const kernels = await cmdlineWrites(host, spec, 'all lines');
  const { actions, diff } = await planWrites(host, [...(await entryEdits(host, spec, entries)), ...kernels]);
  const how = [...entries, ...kernels.map(({ path }) => path)].join(', ');
  return { how, current: optionsIn(await host.read(entries[0] ?? '')), actions, diff };
}

/** What is wrong with the entry that is going to be started. */
export async function checkLoader(
  host: Host,
  spec: KernelArgsSpec,
  roots?: readonly string[],
): Promise<string | undefined> {
  const loader = await readLoader(host, roots);
  const look = 'bootctl list shows what is there';
  if (loader === undefined) return `no entry of a boot loader is there that could be read back; ${look}`;
  const { boots, says, entries } = loader;
  if (boots === undefined) {
    const why = entries.length === 0 ? 'there is no entry of it in a file' : `${says} starts something else`;
    return `what systemd-boot is going to start cannot be read back: ${why}; ${look}`;
  }
  const line = boots.kind === 'file' ? optionsIn(boots.text) : await commandLineOf(host, boots.path);
  if (line === undefined) return `${boots.path}, which is started next (${says}), has no command line to read back`;
  if (fulfils(line, spec)) return undefined;
  const has = ownArgs(line, spec).join(' ') || 'none of the arguments';
  return `${boots.path}, which is started next (${says}), has ${has}`;
}
