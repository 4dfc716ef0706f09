import type { Command } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import { changeTitle } from '../../libvirt/attach/change-list.js';
import { modeOf } from '../../libvirt/checks/facts.js';
import { planDetach } from '../../libvirt/attach/detach.js';
import type { Detached } from '../../libvirt/attach/detach.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import { recall } from '../../libvirt/attach/recall.js';
import type { Recall } from '../../libvirt/attach/recall.js';
import { forgetSaved, newSaved, storeSaved } from '../../libvirt/attach/saved-state.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import { print } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { Verdict } from '../shared/exit-code.js';
import { agree, changeObjects, printedOnly, putInPlace } from './confirm-edit.js';
import { withEditOptions } from './options.js';
import type { EditOptions } from './options.js';
import { clearPorts, viewSwitch } from './ports/switch-view.js';
import { openTarget } from './target.js';
import type { Target } from './target.js';
import { othersThan, surveyUses } from './ports/port-uses.js';

/** Nothing is remembered: fine where there is nothing to take back, and no ground to guess where there is. */
async function withoutMemory(context: CliContext, options: EditOptions, target: Target): Promise<void> {
  const domain = readDomain(XmlDocument.parse(target.text));
  const view = await viewSwitch(context, options, true);
  const attached = domain.nics.some((nic) => modeOf(domain, nic, (socket) => view.ours(socket)) !== undefined);
  if (attached) {
    throw new VhostHostError('DOMAIN_UNFIT', `${target.title} is on the switch, but was not put there by attach`, {
      hint: `nothing is remembered to go back to: ${target.commands.edit}`,
    });
  }
  const answer = { domain: domain.name, changed: false };
  print(context, options, answer, () => [`${target.title} is not attached, there is nothing to do`]);
}

/** What is still to be taken back keeps its record; of a copy nothing is forgotten that its first place needs. */
async function remember(
  { host }: CliContext,
  target: Target,
  { record, elsewhere, remembered }: Recall,
  detached: Detached,
  left: string,
): Promise<void> {
  const { kept, draft } = detached;
  const domain = readDomain(draft.doc);
  const { name, uuid = null } = domain;
  const mode = remembered?.mode ?? 'native';
  if (kept.length > 0) {
    const { origin } = target;
    const saved = newSaved({ name, uuid, origin, mode, original: null, left, changes: kept, ports: [] });
    await storeSaved(host, target.key, saved);
  }
  const replaced = kept.length > 0 && record?.key === target.key;
  // What was read is attached still, where the result has gone to another file.
  const needed = elsewhere || target.key !== target.from;
  if (record !== undefined && !replaced && !needed) await forgetSaved(host, record.key);
}

function answerLines(target: Target, { how, kept, users }: Detached, busy: readonly string[]): string[] {
  const partly = kept.map((change) => changeTitle(change)).join(', ');
  return [
    how === 'whole'
      ? `${target.title} is as it was before`
      : `${target.title} is detached, with what else was changed kept`,
    ...(kept.length === 0
      ? []
      : [
          `but its memory stays shared, because ${users.join(', ')} needs it: ${partly}`,
          `what it was before is still remembered; once nothing needs it: ${target.commands.detach}`,
        ]),
    ...busy.map((name) => `port ${name} still has its guest; afterwards: vhost-host ports rm ${name}`),
    ...(target.waits === undefined ? [] : [`not at work yet, ${target.waits}`]),
  ];
}

async function takeBack(
  context: CliContext,
  options: EditOptions,
  target: Target,
  recalled: Recall,
  detached: Detached,
): Promise<void> {
  const { draft, text, how, kept, users } = detached;
  const aside = target.key !== target.from;
  let left = text;
  if (text !== target.text || aside) {
    await agree(context, options, target, text, draft, `detach ${target.title} like this?`);
    left = await putInPlace(target, text, draft.changes);
  }
  await remember(context, target, recalled, detached, left);
  const domain = readDomain(draft.doc);
  const others = othersThan(domain, await surveyUses(context, options, await viewSwitch(context, options, true)));
  const { busy } = aside ? { busy: [] } : await clearPorts(context, options, recalled.remembered?.ports ?? [], others);
  const answer = {
    domain: domain.name,
    changed: text !== target.text,
    how,
    running: target.running,
    waits: target.waits ?? null,
    portsLeft: busy,
    memoryNeededBy: users,
    changes: changeObjects(draft.changes),
  };
  print(context, options, answer, () => answerLines(target, detached, busy));
  if (kept.length > 0) throw new Verdict('warning');
}

async function detach(context: CliContext, name: string | undefined, options: EditOptions): Promise<void> {
  const target = await openTarget(context, name, options);
  const doc = XmlDocument.parse(target.text);
  const recalled = await recall(context.host, { ...target, key: target.from }, doc, readDomain(doc));
  if (recalled.remembered === undefined) return withoutMemory(context, options, target);
  const view = await viewSwitch(context, options, true);
  const detached = planDetach(target.text, recalled.remembered, (socket) => view.ours(socket));
  if (printedOnly(context, options, target, detached.text, detached.draft.notes)) return;
  await takeBack(context, options, target, recalled, detached);
}

export function addDetach(vm: Command, context: CliContext): void {
  withEditOptions(vm.command('detach [domain]').description('bring a domain back to what it was before attach')).action(
    (name: string | undefined, _options: unknown, command: Command) =>
      detach(context, name, command.optsWithGlobals<EditOptions>()),
  );
}
