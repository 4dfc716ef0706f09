import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { VhostHostError } from '../errors.js';
import type { Host } from '../host.js';
import { GUESTS_GO_ON, findDaemon, restartDaemon } from '../libvirt/daemon.js';
import type { Daemon } from '../libvirt/daemon.js';
import { planHost } from '../libvirt/host-plan.js';
import type { Choice, HostWish } from '../libvirt/host-plan.js';
import { HOOK } from '../libvirt/hook-step.js';
import { WRAPPER } from '../libvirt/install-wrapper.js';
import { QEMU_CONF } from '../libvirt/qemu-conf-step.js';
import { rootedHost } from '../rooted-host.js';
import { isDone } from '../steps.js';
import type { Step } from '../steps.js';
import { parseCpuList } from '../switch/cpulist.js';
import { packageRoot } from '../switch/package.js';
import { readConfig } from '../wrap/config.js';
import type { ConfigFile } from '../wrap/config.js';
import { agree, applyPlan, planLines, planUndoOf, reportOf, requireRoot, undoLines, undoPlan } from './changes.js';
import type { ChangeFlags } from './changes.js';
import type { CliContext } from './context.js';

const WHAT = 'libvirt setup';
const WRAP_CONFIG = '/etc/vhost-host/qemu-wrap.json';
const RUN_DIR = '/run/vhost-host';
const COMMAND = `vhost-host ${WHAT}`;

interface SetupOptions extends ChangeFlags {
  readonly devices?: readonly number[];
  readonly devBasename: string;
  readonly runDir?: string;
  readonly wrapper: string;
  readonly emulator?: string;
  readonly apparmor: Choice;
  readonly selinux: Choice;
  readonly legacy?: boolean;
  readonly packageRoot?: string;
  readonly root?: string;
  readonly restart?: boolean;
  readonly undo?: boolean;
  readonly leave: readonly string[];
}

function parseDevices(text: string): readonly number[] {
  const result = parseCpuList(text);
  if ('cpus' in result) return result.cpus;
  throw new InvalidArgumentError('numbers such as 1 or 1-4.');
}

function parseBasename(text: string): string {
  if (/^[A-Za-z][\w.-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError('a name such as usvhost.');
}

function parsePath(text: string): string {
  if (text.startsWith('/')) return resolve(text);
  throw new InvalidArgumentError('an absolute path.');
}

/** qemu-wrap's own settings: the guests' rules have to fit what it is going to do. */
async function wrapConfig(host: Host): Promise<ConfigFile['all']> {
  const { all } = await readConfig(host, (await host.stat(WRAP_CONFIG)) === undefined ? '' : WRAP_CONFIG);
  return all;
}

function wishOf(options: SetupOptions, config: ConfigFile['all']): HostWish {
  const { devBasename, wrapper, apparmor, selinux } = options;
  return {
    devices: (options.devices ?? []).map((n) => `/dev/${devBasename}-${n}`),
    deviceBase: devBasename,
    runDir: options.runDir ?? config.runDir ?? RUN_DIR,
    wrapper,
    emulator: options.emulator ?? config.emulator,
    apparmor,
    selinux,
    legacy: options.legacy === true,
    packageRoot: options.packageRoot ?? packageRoot.replace(/\/$/, ''),
    live: options.root === undefined,
  };
}

/** What the user is told, and what `--json` gives, once all is done or looked at. */
interface Answer {
  readonly changed: boolean;
  readonly lines: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

function give(context: CliContext, options: SetupOptions, { changed, lines, fields }: Answer): void {
  if (options.json === true) context.talk.answer(JSON.stringify({ changed, ...fields }));
  else for (const line of lines) context.talk.answer(line);
}

/** The plan is the answer of a dry run, and talk where it is there to be agreed to. */
function show(context: CliContext, options: SetupOptions, lines: readonly string[]): void {
  if (options.json === true) return;
  for (const line of lines)
    if (options.dryRun === true) context.talk.answer(line);
    else context.talk.say(line);
}

async function setUp(context: CliContext, host: Host, options: SetupOptions): Promise<void> {
  const steps = await planHost(host, wishOf(options, await wrapConfig(host)));
  const reports = (done: readonly string[]): unknown => steps.map((step) => reportOf(step, done));
  show(context, options, planLines(steps));
  if (options.dryRun === true) {
    give(context, options, { changed: false, lines: [], fields: { steps: reports([]) } });
    return;
  }
  if (steps.every(isDone)) {
    give(context, options, { changed: false, lines: ['nothing to do'], fields: { steps: reports([]), awaits: [] } });
    return;
  }
  await agree(context, options, 'Change the host so?', COMMAND);
  const hadHook = (await host.stat(HOOK)) !== undefined;
  const done = await applyPlan(context, host, steps, WHAT);
  const unread = [
    ...(done.includes('qemu-conf') ? [QEMU_CONF] : []),
    // A hook that it knows it reads anew each time.
    ...(done.includes('hook') && !hadHook ? [HOOK] : []),
  ];
  const awaits = [...(await afterStartFiles(context, host, options, unread)), ...later(steps, done)];
  give(context, options, {
    changed: true,
    lines: [
      `${done.length} ${done.length === 1 ? 'change' : 'changes'} made; ${COMMAND} --undo takes them back`,
      ...awaits,
    ],
    fields: { steps: reports(done), awaits },
  });
}

function later(steps: readonly Step[], done: readonly string[]): string[] {
  const profile = done.includes('apparmor') ? ['a running guest gets the new AppArmor rules when it starts next'] : [];
  const reboot = steps.some((step) => step.needsReboot && done.includes(step.id)) ? ['a reboot'] : [];
  return [...profile, ...reboot];
}

/** libvirt's daemon looks at these when it starts: offers the restart, and says what it means. */
async function afterStartFiles(
  context: CliContext,
  host: Host,
  options: SetupOptions,
  unread: readonly string[],
): Promise<string[]> {
  if (unread.length === 0 || options.root !== undefined) return [];
  const daemon = await findDaemon(host);
  if (daemon === undefined) return [];
  const files = unread.join(' and ');
  if (!(await wantsRestart(context, options, daemon, files))) {
    return [`${daemon.name} reads ${files} when it starts (${GUESTS_GO_ON}): ${daemon.restart.join(' ')}`];
  }
  await context.talk.step(`restart ${daemon.name}`, () => restartDaemon(host, daemon));
  return [];
}

async function wantsRestart(
  context: CliContext,
  options: SetupOptions,
  daemon: Daemon,
  files: string,
): Promise<boolean> {
  if (options.restart !== undefined) return options.restart;
  if (options.yes === true || !context.interactive) return false;
  return context.confirm(`Restart ${daemon.name} so that it reads ${files}? (${GUESTS_GO_ON})`);
}

async function undo(context: CliContext, host: Host, options: SetupOptions): Promise<void> {
  const plan = await planUndoOf(host, WHAT, options.leave);
  const undone = plan.map(({ line, diff }) => ({ line, diff }));
  show(context, options, undoLines(plan));
  if (options.dryRun === true || plan.length === 0) {
    const lines = plan.length === 0 ? ['nothing to undo'] : [];
    give(context, options, { changed: false, lines, fields: { undo: undone } });
    return;
  }
  await agree(context, options, 'Take these changes back?', `${COMMAND} --undo`);
  await undoPlan(context, host, plan, options.leave);
  const touched = plan.some(({ change }) => change.kind === 'file' && change.path === QEMU_CONF);
  const awaits = await afterStartFiles(context, host, options, touched ? [QEMU_CONF] : []);
  give(context, options, { changed: true, lines: ['all taken back', ...awaits], fields: { undo: undone, awaits } });
}

async function run(context: CliContext, options: SetupOptions): Promise<void> {
  if (options.root === undefined) requireRoot(context, COMMAND);
  if (options.leave.length > 0 && options.undo !== true) {
    throw new VhostHostError('USAGE', '--leave goes with --undo', { hint: `${COMMAND} --help` });
  }
  const root = options.root === undefined ? undefined : resolve(context.cwd, options.root);
  const host = root === undefined ? context.host : rootedHost(context.host, root);
  await (options.undo === true ? undo(context, host, options) : setUp(context, host, options));
}

function policyOption(flag: string, what: string): Option {
  return new Option(`--${flag} <when>`, `${what}: where it is on, always, never`)
    .choices(['auto', 'on', 'off'])
    .default('auto');
}

export function addLibvirt(program: Command, context: CliContext): void {
  const libvirt = program.command('libvirt').description('prepare libvirt on this host');
  libvirt
    .command('setup')
    .description('install qemu-wrap and allow guests what they need; shows everything first, and can be undone')
    .option(
      '--devices <list>',
      'numbers of cuse devices that guests may use, such as 1-4 (default: none)',
      parseDevices,
    )
    .option('--dev-basename <name>', 'name of cuse devices before the number', parseBasename, 'usvhost')
    .option(
      '--run-dir <dir>',
      `run directory of the switch (default: the one in ${WRAP_CONFIG}, else ${RUN_DIR})`,
      parsePath,
    )
    .option('--wrapper <path>', 'where to install qemu-wrap', parsePath, WRAPPER)
    .option(
      '--emulator <path>',
      'QEMU, whose owner and mode qemu-wrap gets (default: the one of this machine)',
      parsePath,
    )
    .addOption(policyOption('apparmor', 'AppArmor rules'))
    .addOption(policyOption('selinux', 'SELinux policy module'))
    .option('--legacy', 'the settings of 2014 as well, for a libvirt of that time')
    .option('--package-root <dir>', 'where this package lies on the host that is set up (default: here)', parsePath)
    .option('--root <dir>', 'set up the system below this directory, such as a mounted image')
    .option('--restart', "restart libvirt's daemon where that is needed, without asking")
    .option('--no-restart', "do not restart libvirt's daemon, and do not ask")
    .option('--undo', 'take back what this command has changed')
    .option('--leave <what...>', 'with --undo: files or steps to keep as they are', [])
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--yes', 'agree to what is shown')
    .option('--json', 'print one JSON object')
    .action((options: SetupOptions) => run(context, options));
}
