import type { Command } from 'commander';
import { VhostHostError, hasCode, printable } from '../../common/errors.js';
import { checkHost } from '../../hostsetup/checks/index.js';
import type { Checked } from '../../hostsetup/checks/index.js';
import { info } from '../../hostsetup/checks/check.js';
import type { Surroundings } from '../../hostsetup/checks/check.js';
import { readHostFacts } from '../../hostsetup/facts/index.js';
import { Look } from '../../host/tolerant-reader.js';
import { contestedText } from '../../switch/ports/contested-addresses.js';
import { surveyDomains } from './check-domains.js';
import type { DomainSurvey } from './check-domains.js';
import { viewLibvirt } from './check-libvirt.js';
import { surveyRecords } from './check-records.js';
import { print, runDirOf } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { Verdict } from '../shared/exit-code.js';
import { hostBelow } from '../shared/parse.js';
import { withVmOptions } from '../vm/options.js';
import type { VmOptions } from '../vm/options.js';
import { viewSwitch } from '../vm/ports/switch-view.js';
import type { SwitchView } from '../vm/ports/port-use.js';

interface HostCheckOptions extends VmOptions {
  readonly root?: string;
}

/** Of an image neither its libvirt nor its switch can be asked. */
const IN_IMAGE: DomainSurvey = { domains: [], trouble: info('below --root only its files are looked at') };

const NO_RECORDS: Surroundings['records'] = { stale: [], ports: [], uncertain: 0 };

/** The sockets that QEMU connects to; the API's is for the switch's owner alone. */
async function guestSockets(look: Look, runDir: string): Promise<string[]> {
  const paths = (await look.list(runDir)).filter((name) => /^(port-.*|wrap)\.sock$/.test(name)).sort();
  const found: string[] = [];
  for (const path of paths.map((name) => `${runDir}/${name}`)) {
    if ((await look.lstat(path))?.kind === 'socket') found.push(path);
  }
  return found;
}

/** The switch, and whether one runs: undefined where it may not be asked. */
async function askSwitch(
  context: CliContext,
  options: HostCheckOptions,
): Promise<{ readonly view: SwitchView; readonly switchRuns: boolean | undefined }> {
  try {
    const view = await viewSwitch(context, options, false);
    return { view, switchRuns: view.ports !== undefined };
  } catch (failure) {
    if (!hasCode(failure, 'SWITCH_UNREACHABLE')) throw failure;
    return { view: await viewSwitch(context, options, true), switchRuns: undefined };
  }
}

async function survey(context: CliContext, options: HostCheckOptions, look: Look): Promise<Surroundings> {
  const runDir = runDirOf(context, options);
  const live = options.root === undefined;
  const sockets = await guestSockets(look, runDir);
  const asked = live ? await askSwitch(context, options) : undefined;
  const devices = (asked?.view.ports ?? []).flatMap(({ device }) => device ?? []);
  // Asked for only where there is a libvirt: a host without one has no need of virsh.
  const installed = await viewLibvirt(look, live ? context.host : undefined, sockets, devices, undefined);
  const { domains, trouble } =
    asked !== undefined && installed !== undefined ? await surveyDomains(context, options, asked.view) : IN_IMAGE;
  return {
    libvirt: installed === undefined ? undefined : { ...installed, trouble },
    domains,
    runDir,
    sockets,
    switchRuns: asked === undefined ? false : asked.switchRuns,
    contested: asked?.view.contested.map(contestedText) ?? [],
    dpdk: asked?.view.dpdk,
    records: asked === undefined ? NO_RECORDS : await surveyRecords(context, options, asked.view),
  };
}

function summary(checks: readonly Checked[]): { readonly errors: number; readonly warnings: number } {
  const count = (state: Checked['state']): number => checks.filter((check) => check.state === state).length;
  return { errors: count('error'), warnings: count('warning') };
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Grouped, in the order of the checks; what comes from files and guests is made safe to print. */
export function checkLines(checks: readonly Checked[], image: boolean): string[] {
  const lines: string[] = [];
  let group = '';
  for (const check of checks) {
    if (check.group !== group) lines.push(...(group === '' ? [] : ['']), check.group);
    group = check.group;
    lines.push(`  ${check.state.padEnd(7)}  ${check.title}: ${printable(check.reason)}`);
    if (check.fix !== undefined) lines.push(`${' '.repeat(11)}fix: ${printable(check.fix)}`);
  }
  const { errors, warnings } = summary(checks);
  const right = image
    ? 'nothing to fix in its files; what only a system that runs can tell was not looked at'
    : 'everything is in place';
  const verdict = errors + warnings === 0 ? right : `${many(errors, 'error')}, ${many(warnings, 'warning')}`;
  return [...lines, '', verdict];
}

async function check(context: CliContext, options: HostCheckOptions): Promise<void> {
  if (options.root !== undefined && options.connect !== undefined) {
    throw new VhostHostError('USAGE', 'below --root there is no libvirt to connect to', { hint: 'one of the two' });
  }
  const look = new Look(await hostBelow(context, options.root));
  const around = await survey(context, options, look);
  const checks = checkHost({ host: await readHostFacts(look), around });
  print(context, options, { checks, ...summary(checks) }, () => checkLines(checks, options.root !== undefined));
  const { errors, warnings } = summary(checks);
  if (errors + warnings > 0) throw new Verdict(errors > 0 ? 'error' : 'warning');
}

export function addCheck(program: Command, context: CliContext): void {
  withVmOptions(
    program.command('check').description('look whether everything is in place on this host, and change nothing'),
  )
    .option('--root <dir>', 'look at the system below this directory, such as a mounted image')
    .addHelpText('after', '\nExit code: 0 nothing to fix, 1 warnings, 2 errors.')
    .action((options: HostCheckOptions) => check(context, options));
}
