import type { Command } from 'commander';
import { VhostHostError, printable } from '../../common/errors.js';
import { detectBoot } from '../../hostsetup/boot/detect.js';
import { readHostFacts } from '../../hostsetup/facts/index.js';
import type { HostFacts } from '../../hostsetup/facts/index.js';
import { Look } from '../../host/tolerant-reader.js';
import { checkChoices, propose } from '../../hostsetup/setup/choices.js';
import type { Choices } from '../../hostsetup/setup/choices.js';
import { planSetup } from '../../hostsetup/setup/plan.js';
import type { SetupPlan } from '../../hostsetup/setup/plan.js';
import { choose } from '../../hostsetup/setup/questions.js';
import { surveyLines } from '../../hostsetup/setup/survey.js';
import type { Settings } from '../../hostsetup/setup/specs.js';
import { findSystemd } from '../../hostsetup/system/systemd.js';
import { isDone } from '../../changes/steps.js';
import { packageRoot } from '../../common/package.js';
import { runChange, runUndo } from './change-command.js';
import type { ChangeCommand } from './change-command.js';
import { requireRoot } from './change-report.js';
import type { CliContext } from '../shared/context.js';
import { Verdict } from '../shared/exit-code.js';
import { hostBelow } from '../shared/parse.js';
import { domainMemory, qemuGroup } from './setup-domains.js';
import { toldOf, withSetupOptions } from './setup-options.js';
import type { SetupOptions } from './setup-options.js';
import type { Host } from '../../host/host.js';

const WHAT = 'setup';

interface Findings {
  readonly facts: HostFacts;
  /** Bytes of each of libvirt's domains; undefined where it is not asked, or does not tell. */
  readonly domains: readonly number[] | undefined;
  readonly notes: readonly string[];
  readonly systemd: boolean;
}

async function look(host: Host, options: SetupOptions): Promise<Findings> {
  const facts = await readHostFacts(new Look(host));
  const { present: systemd } = await findSystemd(host);
  // Of an image no libvirt runs, and an answer of ours that is told needs none.
  if (options.root !== undefined || options.guestMemory !== undefined) {
    return { facts, domains: undefined, notes: [], systemd };
  }
  const asked = await domainMemory(host, options.connect);
  if ('domains' in asked) return { facts, domains: asked.domains, notes: [], systemd };
  const reason = `${asked.trouble}: --guest-memory says how much guests will need`;
  return { facts, domains: undefined, notes: [reason], systemd };
}

async function settingsOf(host: Host, options: SetupOptions): Promise<Settings> {
  return {
    now: options.root === undefined,
    nodes: options.nodes,
    shrink: options.shrink === true,
    cuse: options.cuse === true,
    ownUser: options.ownUser,
    nicDriver: options.nicDriver,
    forceNic: options.forceNic === true,
    binary: `${(options.packageRoot ?? packageRoot).replace(/\/$/, '')}/bin/vhost-host`,
    config: options.config,
    qemuGid: await qemuGroup(host),
  };
}

function noteLines(notes: readonly string[], { byHand }: SetupPlan): string[] {
  const lines = notes.flatMap((note) => note.split('\n').map((line, i) => (i === 0 ? `note: ${line}` : `  ${line}`)));
  const hands = byHand.flatMap(({ reason, snippet }) => [
    `by hand: ${printable(reason)}`,
    // Lines of files, whose blanks at the beginning matter.
    ...snippet.split('\n').map((line) => `    ${/^ */.exec(line)?.[0] ?? ''}${printable(line)}`),
  ]);
  return [...lines, ...hands];
}

/** What is not up to date although all was done, and what waits for the next boot. */
function left(plan: SetupPlan, done: readonly string[]): string[] {
  const short = plan.steps.filter((step) => !isDone(step));
  const waiting = plan.steps.filter((step) => step.needsReboot && done.includes(step.id)).map(({ title }) => title);
  const kernel = plan.reboot === undefined ? [] : [`the kernel with ${plan.reboot}`];
  const reboot = [...kernel, ...waiting];
  return [
    ...short.map(({ title, current, wanted }) => `not up to date: ${title}: ${current} (requested: ${wanted})`),
    ...(reboot.length === 0 ? [] : [`a reboot brings ${reboot.join(', ')}`]),
    ...plan.byHand.map(({ reason }) => `not done yet, and to be done by hand as shown: ${printable(reason)}`),
  ];
}

/** Somebody may count on them: no is the default. */
function takeAway(context: CliContext, { larger }: SetupPlan): Promise<boolean> {
  for (const line of larger) context.console.log(printable(line));
  return context.confirm('Take the pages away that are more than you want?');
}

async function setUp(command: ChangeCommand, options: SetupOptions): Promise<void> {
  const { context, host } = command;
  const { facts, domains, notes, systemd } = await look(host, options);
  const told = toldOf(facts, options);
  const asks = context.interactive && options.yes !== true && options.json !== true;
  if (asks)
    for (const line of surveyLines(facts, await detectBoot(host), domains)) context.console.log(printable(line));
  const proposed = propose(facts, { domains: domains ?? [], systemd });
  const choices = await choose(facts, told, proposed, asks ? context.ask : undefined);
  checkChoices(facts, choices);
  let settings = await settingsOf(host, options);
  let plan = await planSetup(host, facts, choices, settings);
  if (asks && plan.larger.length > 0 && (await takeAway(context, plan))) {
    settings = { ...settings, shrink: true };
    plan = await planSetup(host, facts, choices, settings);
  }
  const all = [...notes, ...plan.notes];
  const fields = { choices: describe(choices), notes: all, byHand: plan.byHand };
  const idle = plan.byHand.length > 0 ? { idle: 'nothing that could be done from here' } : {};
  await runChange(command, { steps: plan.steps, notes: noteLines(all, plan), fields, ...idle }, async (done) => {
    if (done.length === 0) return left(plan, done);
    const again = await planSetup(host, await readHostFacts(new Look(host)), choices, settings);
    return left(again, done);
  });
  if (plan.byHand.length > 0 && options.dryRun !== true) throw new Verdict('warning');
}

const describe = (choices: Choices): object => ({ ...choices, nic: choices.nic ?? null });

async function undo(command: ChangeCommand): Promise<void> {
  await runUndo(command, (plan) =>
    Promise.resolve(
      plan.some(({ change }) => change.step === 'kernel-arguments')
        ? ['the kernel keeps its arguments until a reboot']
        : [],
    ),
  );
}

async function run(context: CliContext, options: SetupOptions): Promise<void> {
  requireRoot(context, `vhost-host ${WHAT}`);
  if (options.leave.length > 0 && options.undo !== true) {
    throw new VhostHostError('USAGE', '--leave goes with --undo', { hint: `vhost-host ${WHAT} --help` });
  }
  if (options.root !== undefined && options.connect !== undefined) {
    throw new VhostHostError('USAGE', 'below --root there is no libvirt to connect to', { hint: 'one of the two' });
  }
  const host = await hostBelow(context, options.root);
  const command: ChangeCommand = { context, host, what: WHAT, flags: options };
  await (options.undo === true ? undo(command) : setUp(command, options));
}

export function addSetup(program: Command, context: CliContext): void {
  withSetupOptions(
    program
      .command(WHAT)
      .description('prepare this host: hugepages, mounts, a network card, the start at boot; shows everything first'),
  ).action((options: SetupOptions) => run(context, options));
}
