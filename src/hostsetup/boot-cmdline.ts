import type { Host } from '../host.js';
import { planWrites, readSnapshot } from '../steps.js';
import type { WriteFile } from '../steps.js';
import { withCommands } from './boot-method.js';
import type { BootDraft } from './boot-method.js';
import { kernelArgs } from './kernel-args.js';
import { applyWish, ownArgs } from './kernel-wish.js';
import type { KernelWish } from './kernel-wish.js';

/** The command line of kernels to come, on systems that have no other place or one more for it. */
export const CMDLINE = '/etc/kernel/cmdline';

/** The line that counts: the one with arguments of ours, else the first that is no comment. */
function lineOf(lines: readonly string[], wish: KernelWish): number {
  const real = lines.map((line, i) => (/^\s*(#|$)/.test(line) ? -1 : i)).filter((i) => i >= 0);
  return real.find((i) => ownArgs(lines[i] ?? '', wish).length > 0) ?? real[0] ?? -1;
}

export function cmdlineIn(text: string, wish: KernelWish): string {
  const lines = text.split('\n');
  return lines[lineOf(lines, wish)] ?? '';
}

export function editCmdline(text: string, wish: KernelWish): string {
  const lines = text.split('\n');
  const at = lineOf(lines, wish);
  if (at < 0) return `${text}${applyWish('', wish)}\n`;
  return lines.map((line, i) => (i === at ? applyWish(line, wish) : line)).join('\n');
}

/** The write that brings the file up to the wish, where there is such a file. */
export async function cmdlineWrites(host: Host, wish: KernelWish): Promise<WriteFile[]> {
  const text = (await readSnapshot(host, CMDLINE))?.text;
  return text === undefined ? [] : [{ kind: 'write', path: CMDLINE, text: editCmdline(text, wish) }];
}

/** kernel-install without such a file takes the distribution's, else the line of the running kernel. */
async function startingText(host: Host): Promise<string | undefined> {
  const own = (await readSnapshot(host, CMDLINE))?.text ?? (await host.readOptional('/usr/lib/kernel/cmdline'));
  if (own !== undefined) return own;
  const running = await host.readOptional('/proc/cmdline');
  const kept = kernelArgs(running ?? '').filter(({ name }) => name !== 'BOOT_IMAGE' && name !== 'initrd');
  return running === undefined ? undefined : `${kept.map(({ text }) => text).join(' ')}\n`;
}

/** undefined where nothing says what the line starts from. */
export async function draftKernelInstall(
  host: Host,
  wish: KernelWish,
  commands: readonly (readonly string[])[],
): Promise<BootDraft | undefined> {
  const before = await startingText(host);
  if (before === undefined) return undefined;
  const text = editCmdline(before, wish);
  const planned = text === before ? [] : [{ kind: 'write', path: CMDLINE, text } as const];
  const { actions, diff } = await planWrites(host, planned);
  return {
    how: `${CMDLINE}, then ${commands[0]?.slice(0, 2).join(' ') ?? ''}`,
    current: cmdlineIn(before, wish),
    actions: withCommands(actions, commands),
    diff,
  };
}
