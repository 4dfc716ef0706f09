import type { Command } from 'commander';
import { VhostHostError } from '../errors.js';
import { modeOf } from '../libvirt/check-facts.js';
import { planDetach } from '../libvirt/detach.js';
import type { Detached } from '../libvirt/detach.js';
import { readDomain } from '../libvirt/domain.js';
import { forgetSaved, loadSaved } from '../libvirt/saved.js';
import type { Saved } from '../libvirt/saved.js';
import { XmlDocument } from '../libvirt/xml-document.js';
import { print } from './client-command.js';
import type { CliContext } from './context.js';
import { agree, changeObjects, printedOnly, putInPlace } from './vm-edit.js';
import { withEditOptions } from './vm-options.js';
import type { EditOptions } from './vm-options.js';
import { removePorts, viewSwitch } from './vm-switch.js';
import { openTarget } from './vm-target.js';
import type { Target } from './vm-target.js';

/** Nothing is remembered: fine where there is nothing to take back, and no ground to guess where there is. */
async function withoutMemory(context: CliContext, options: EditOptions, target: Target): Promise<void> {
  const domain = readDomain(XmlDocument.parse(target.text));
  const view = await viewSwitch(context, options, true);
  const attached = domain.nics.some((nic) => modeOf(domain, nic, (socket) => view.ours(socket)) !== undefined);
  if (attached) {
    throw new VhostHostError('DOMAIN_UNFIT', `${target.title} is on the switch, but was not put there by attach`, {
      hint: `nothing is remembered to go back to: virsh edit ${domain.name}`,
    });
  }
  const answer = { domain: domain.name, changed: false };
  print(context, options, answer, () => [`${target.title} is not attached, there is nothing to do`]);
}

/** Ports that attach added go, except for those that a guest is connected to. */
async function clearPorts(context: CliContext, options: EditOptions, saved: Saved): Promise<string[]> {
  const view = await viewSwitch(context, options, true);
  const present = view.ports?.filter(({ name }) => saved.ports.includes(name)) ?? [];
  const idle = present.filter(({ state }) => state === 'waiting').map(({ name }) => name);
  await removePorts(context, options, idle);
  return present.map(({ name }) => name).filter((name) => !idle.includes(name));
}

async function takeBack(
  context: CliContext,
  options: EditOptions,
  target: Target,
  saved: Saved,
  detached: Detached,
): Promise<void> {
  const { draft, text, how } = detached;
  if (text !== target.text) {
    await agree(context, options, target, text, draft, `detach ${target.title} like this?`);
    await putInPlace(target, text, draft.changes);
  }
  await forgetSaved(context.host, target.key);
  const busy = await clearPorts(context, options, saved);
  const answer = {
    domain: saved.name,
    changed: text !== target.text,
    how,
    running: target.running,
    waits: target.waits ?? null,
    portsLeft: busy,
    changes: changeObjects(draft.changes),
  };
  print(context, options, answer, () => [
    how === 'whole'
      ? `${target.title} is as it was before`
      : `${target.title} is detached, with what else was changed kept`,
    ...busy.map((name) => `port ${name} still has its guest; afterwards: vhost-host ports rm ${name}`),
    ...(target.waits === undefined ? [] : [`not at work yet, ${target.waits}`]),
  ]);
}

async function detach(context: CliContext, name: string | undefined, options: EditOptions): Promise<void> {
  const target = await openTarget(context, name, options);
  const saved = await loadSaved(context.host, target.key);
  if (saved === undefined) return withoutMemory(context, options, target);
  const detached = planDetach(target.text, saved);
  if (printedOnly(context, options, target, detached.text, detached.draft.notes)) return;
  await takeBack(context, options, target, saved, detached);
}

export function addDetach(vm: Command, context: CliContext): void {
  withEditOptions(vm.command('detach [domain]').description('bring a domain back to what it was before attach')).action(
    (name: string | undefined, _options: unknown, command: Command) =>
      detach(context, name, command.optsWithGlobals<EditOptions>()),
  );
}
