import type { Command } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import { checkDomain } from '../../libvirt/checks/index.js';
import { gatherFacts } from '../../libvirt/checks/facts.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import type { Domain } from '../../libvirt/domain/domain.js';
import { recall } from '../../libvirt/attach/recall.js';
import { Virsh } from '../../libvirt/virsh.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import { readConfig } from '../../wrap/config/config.js';
import { print } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { Verdict } from '../shared/exit-code.js';
import { withFileOption } from './options.js';
import type { VmOptions } from './options.js';
import { viewSwitch } from './ports/switch-view.js';
import { openTarget } from './target.js';
import type { Target } from './target.js';
import { rivalsOf, sharersOf, surveyUses } from './ports/port-uses.js';
import type { PortUse, SwitchView } from './ports/port-use.js';
import type { Finding } from '../../libvirt/checks/check.js';

interface CheckOptions extends VmOptions {
  readonly all?: boolean;
}

interface Checked {
  readonly domain: Domain;
  readonly findings: readonly (Finding & { readonly id: string })[];
}

const WRAP_CONFIG = '/etc/vhost-host/qemu-wrap.json';

/** The wrapper's own idea of the real QEMU. A configuration that cannot be read is the wrapper's to complain about. */
async function wrappedEmulator({ host }: CliContext): Promise<string | undefined> {
  const path = host.env('VHOST_HOST_WRAP_CONFIG') ?? WRAP_CONFIG;
  const known = await host.readOptional(path).catch(() => undefined);
  if (known === undefined) return undefined;
  return await readConfig(host, path).then(
    ({ all }) => all.emulator,
    () => undefined,
  );
}

/** `uses`: all that is known to be on ports, on this host. */
export async function checkTarget(
  context: CliContext,
  options: VmOptions,
  target: Target,
  view: SwitchView,
  uses: readonly PortUse[],
): Promise<Checked> {
  const doc = XmlDocument.parse(target.text);
  const domain = readDomain(doc);
  const { record } = await recall(context.host, target, doc, domain);
  const rivals = await rivalsOf(context, options, view, { domain, record, target, uses });
  const facts = await gatherFacts(context.host, domain, {
    running: target.running,
    ports: view.ports,
    ours: (socket) => view.ours(socket),
    sharers: sharersOf(domain, rivals, target.commands.edit),
    realEmulator: await wrappedEmulator(context),
  });
  return { domain, findings: checkDomain(domain, facts) };
}

function lines({ domain: { name }, findings }: Checked): string[] {
  if (findings.length === 0) return [`${name}: nothing found`];
  return findings.flatMap(({ id, level, element, reason, fix }) => [
    `${name}: ${level} ${id}: ${reason}`,
    `  ${element}  fix: ${fix}`,
  ]);
}

async function check(context: CliContext, name: string | undefined, options: CheckOptions): Promise<void> {
  if (options.all === true && (name !== undefined || options.file !== undefined)) {
    throw new VhostHostError('USAGE', '--all is instead of a domain or file', { hint: 'vhost-host vm check --all' });
  }
  const names = options.all === true ? await new Virsh(context.host, options.connect).names() : [name];
  const view = await viewSwitch(context, options, true);
  const uses = await surveyUses(context, options, view);
  const checked: Checked[] = [];
  for (const domain of names)
    checked.push(await checkTarget(context, options, await openTarget(context, domain, options), view, uses));
  const domains = checked.map(({ domain, findings }) => ({ domain: domain.name, findings }));
  print(context, options, { domains }, () => checked.flatMap(lines));
  const levels = checked.flatMap(({ findings }) => findings.map(({ level }) => level));
  if (levels.length > 0) throw new Verdict(levels.includes('error') ? 'error' : 'warning');
}

export function addVmCheck(vm: Command, context: CliContext): void {
  withFileOption(vm.command('check [domain]').description('find what libvirt accepts and what then fails in silence'))
    .option('--all', 'check every domain')
    .addHelpText('after', '\nExit code: 0 nothing found, 1 warnings, 2 errors.')
    .action((name: string | undefined, _options: unknown, command: Command) =>
      check(context, name, command.optsWithGlobals<CheckOptions>()),
    );
}
