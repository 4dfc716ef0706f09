import { Option } from 'commander';
import type { Command } from 'commander';
import { nicTitle } from '../../libvirt/domain/nic.js';
import { WRAPPER } from '../../libvirt/install/wrapper.js';
import { HUGEPAGE_CHOICES } from '../../libvirt/attach/memory-plan.js';
import type { Recall } from '../../libvirt/attach/recall.js';
import { forgetSaved, newSaved, storeSaved } from '../../libvirt/attach/saved-state.js';
import type { Saved } from '../../libvirt/attach/saved-state.js';
import type { CliContext } from '../shared/context.js';
import { print } from '../shared/client-command.js';
import { parseQueues } from '../switch/ports.js';
import { plan } from './attach-plan.js';
import type { AttachOptions, Plan } from './attach-plan.js';
import { agree, changeObjects, printedOnly, putInPlace } from './confirm-edit.js';
import { withEditOptions } from './options.js';
import { addPorts, removePorts } from './ports/switch-view.js';
import { openTarget } from './target.js';
import type { Target } from './target.js';

/** What is remembered: the text to go back to is the one from before the first attach, where nobody changed it since. */
function recordOf(target: Target, { mode, domain, changes, added, recalled }: Plan): Saved {
  const { remembered } = recalled;
  const first = remembered === undefined;
  const untouched = remembered?.left === target.text ? remembered.original : null;
  return newSaved({
    name: domain.name,
    uuid: domain.uuid ?? null,
    origin: target.origin,
    mode,
    original: first ? target.text : untouched,
    left: null,
    changes,
    ports: added,
  });
}

/** The record of a file that was moved goes on under its new place. */
async function forgetMoved({ host }: CliContext, { key }: Target, { record, elsewhere }: Recall): Promise<void> {
  if (record !== undefined && record.key !== key && !elsewhere) await forgetSaved(host, record.key);
}

/** What is remembered comes first, then the ports, then the domain: whatever stops it half-way can be taken back. */
async function carryOut(context: CliContext, target: Target, options: AttachOptions, planned: Plan): Promise<void> {
  const { host } = context;
  const { draft, missing, recalled } = planned;
  const before = recalled.record?.key === target.key ? recalled.record.saved : undefined;
  const saved = recordOf(target, planned);
  await storeSaved(host, target.key, saved);
  let added: string[] = [];
  try {
    added = await addPorts(context, options, missing);
    const left = await putInPlace(target, draft.doc.text, draft.changes);
    await storeSaved(host, target.key, { ...saved, left });
    await forgetMoved(context, target, recalled);
  } catch (error) {
    await removePorts(context, options, added);
    if (before === undefined) await forgetSaved(host, target.key);
    else await storeSaved(host, target.key, before);
    throw error;
  }
}

function answerLines(target: Target, { mode, ports, draft }: Plan): string[] {
  const how = draft.changes.length === 0 ? 'is attached already, there is nothing to do' : `is attached (${mode})`;
  const nics = ports.map(({ nic, port, socket }) => `${nicTitle(nic)} is on port ${port}, ${socket}`);
  const waits = target.waits === undefined || draft.changes.length === 0 ? [] : [`not at work yet, ${target.waits}`];
  return [`${target.title} ${how}`, ...nics, ...waits];
}

async function attach(context: CliContext, name: string | undefined, options: AttachOptions): Promise<void> {
  const target = await openTarget(context, name, options);
  const planned = await plan(context, target, options);
  const { draft, ports, missing, mode, domain } = planned;
  if (printedOnly(context, options, target, draft.doc.text, planned.notes)) return;
  if (draft.changes.length > 0) {
    const shown = { changes: draft.changes, notes: planned.notes };
    await agree(context, options, target, draft.doc.text, shown, `attach ${target.title} like this?`);
    await carryOut(context, target, options, planned);
  } else if (missing.length > 0) {
    // The switch was restarted without the port: the domain is right, and its way out is not there.
    await addPorts(context, options, missing);
  }
  const answer = {
    domain: domain.name,
    mode,
    changed: draft.changes.length > 0,
    running: target.running,
    waits: target.waits ?? null,
    ports: ports.map(({ nic, port, socket, queues }) => ({
      nic: nic.index,
      mac: nic.mac ?? null,
      port,
      socket,
      queues,
    })),
    changes: changeObjects(draft.changes),
    notes: planned.notes,
  };
  print(context, options, answer, () => answerLines(target, planned));
}

export function addAttach(vm: Command, context: CliContext): void {
  withEditOptions(vm.command('attach [domain]').description('put a domain on the switch'))
    .addOption(
      new Option('--mode <mode>', 'by vhost-user, or by qemu-wrap (default: native where libvirt can)').choices([
        'native',
        'wrap',
      ]),
    )
    .option('--nic <which>', 'interface: number from 0, MAC address, or all', 'all')
    .option('--queues <n>', 'queue pairs (default: as they are)', parseQueues)
    .option('--port <name>', "the port's name (default: DOMAIN-hostnetN, as qemu-wrap names it)")
    .option('--socket <path>', "the port's socket (default: in the run directory)")
    .option('--offloads', 'let the guest leave checksums and TCP segmentation to others')
    .addOption(
      new Option('--hugepages <size>', 'pages for memory that has none yet').choices(HUGEPAGE_CHOICES).default('auto'),
    )
    .option('--wrapper <path>', 'qemu-wrap, in wrap mode', WRAPPER)
    .action((name: string | undefined, _options: unknown, command: Command) =>
      attach(context, name, command.optsWithGlobals<AttachOptions>()),
    );
}
