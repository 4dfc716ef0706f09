import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import { GUESTS_GO_ON, findDaemon, restartDaemon } from '../../libvirt/install/daemon.js';
import type { Daemon } from '../../libvirt/install/daemon.js';
import { planHost } from '../../libvirt/install/plan.js';
import type { Choice, HostSpec } from '../../libvirt/install/plan.js';
import { HOOK } from '../../libvirt/install/hook.js';
import { WRAPPER } from '../../libvirt/install/wrapper.js';
import { QEMU_CONF } from '../../libvirt/qemu-conf/step.js';
import type { Step } from '../../changes/steps.js';
import { packageRoot } from '../../common/package.js';
import { readConfig } from '../../wrap/config/config.js';
import type { ConfigFile } from '../../wrap/config/config.js';
import { runChange, runUndo } from './change-command.js';
import type { ChangeCommand } from './change-command.js';
import { requireRoot } from './change-report.js';
import type { ChangeFlags } from './change-report.js';
import type { CliContext } from '../shared/context.js';
import { OPTIONS } from '../shared/help-groups.js';
import { hostBelow, parseNumbers, parsePath } from '../shared/parse.js';
import type { Host } from '../../host/host.js';

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

function parseBasename(text: string): string {
  if (/^[A-Za-z][\w.-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError('a name such as usvhost.');
}

/** qemu-wrap's own settings: the guests' rules have to fit what it is going to do. */
async function wrapConfig(host: Host): Promise<ConfigFile['all']> {
  const { all } = await readConfig(host, (await host.stat(WRAP_CONFIG)) === undefined ? '' : WRAP_CONFIG);
  return all;
}

function specOf(options: SetupOptions, config: ConfigFile['all']): HostSpec {
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

async function setUp(command: ChangeCommand, options: SetupOptions): Promise<void> {
  const { context, host } = command;
  const steps = await planHost(host, specOf(options, await wrapConfig(host)));
  const hadHook = (await host.stat(HOOK)) !== undefined;
  await runChange(command, { steps }, async (done) => {
    const unread = [
      ...(done.includes('qemu-conf') ? [QEMU_CONF] : []),
      // A hook that it knows it reads anew each time.
      ...(done.includes('hook') && !hadHook ? [HOOK] : []),
    ];
    return [...(await afterStartFiles(context, host, options, unread)), ...later(steps, done)];
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
  await context.console.step(`restart ${daemon.name}`, () => restartDaemon(host, daemon));
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

async function undo(command: ChangeCommand, options: SetupOptions): Promise<void> {
  await runUndo(command, (plan) => {
    const touched = plan.some(({ change }) => change.kind === 'file' && change.path === QEMU_CONF);
    return afterStartFiles(command.context, command.host, options, touched ? [QEMU_CONF] : []);
  });
}

async function run(context: CliContext, options: SetupOptions): Promise<void> {
  if (options.root === undefined) requireRoot(context, COMMAND);
  if (options.leave.length > 0 && options.undo !== true) {
    throw new VhostHostError('USAGE', '--leave goes with --undo', { hint: `${COMMAND} --help` });
  }
  const host = await hostBelow(context, options.root);
  const command: ChangeCommand = { context, host, what: WHAT, flags: options };
  await (options.undo === true ? undo(command, options) : setUp(command, options));
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
      (text: string) => parseNumbers(text, 'numbers such as 1 or 1-4'),
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
    .optionsGroup('Security policy and settings:')
    .addOption(policyOption('apparmor', 'AppArmor rules'))
    .addOption(policyOption('selinux', 'SELinux policy module'))
    .option('--legacy', 'the settings of 2014 as well, for a libvirt of that time')
    .optionsGroup(OPTIONS)
    .option('--package-root <dir>', 'where this package lies on the host that is set up (default: here)', parsePath)
    .option('--root <dir>', 'set up the system below this directory, such as a mounted image')
    .optionsGroup('Confirmation and undo:')
    .option('--restart', "restart libvirt's daemon where that is needed, without asking")
    .option('--no-restart', "do not restart libvirt's daemon, and do not ask")
    .option('--undo', 'take back what this command has changed')
    .option('--leave <what...>', 'with --undo: files or steps to keep as they are', [])
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--yes', 'agree to what is shown')
    .option('--json', 'print one JSON object')
    .action((options: SetupOptions) => run(context, options));
}
