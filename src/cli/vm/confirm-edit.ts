import { VhostHostError } from '../../common/errors.js';
import { unifiedDiff } from '../../common/diff.js';
import { explainChanges, sameValue, valueOf, changeTitle } from '../../libvirt/attach/change-list.js';
import type { Change, Draft, Note } from '../../libvirt/attach/change-list.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import type { CliContext } from '../shared/context.js';
import type { EditOptions } from './options.js';
import type { Target } from './target.js';

/** What attach and detach share: show, ask, put in place, look whether it arrived. */

function sayNotes(context: CliContext, notes: readonly Note[]): void {
  for (const { level, text } of notes) context.console.log(level === 'warning' ? `warning: ${text}` : text);
}

/** With --print-xml or --print-diff: prints, and nothing else is to be done. */
export function printedOnly(
  context: CliContext,
  options: EditOptions,
  target: Target,
  text: string,
  notes: readonly Note[],
): boolean {
  if (options.printXml !== true && options.printDiff !== true) return false;
  sayNotes(context, notes);
  const answer = options.printXml === true ? text : unifiedDiff(target.title, target.text, text);
  if (answer !== '') context.console.print(answer.replace(/\n$/, ''));
  return true;
}

/** Shows the whole change and gets a yes; throws where there is none. */
export async function agree(
  context: CliContext,
  options: EditOptions,
  target: Target,
  text: string,
  draft: Pick<Draft, 'changes' | 'notes'>,
  question: string,
): Promise<void> {
  if (options.json !== true) {
    for (const line of explainChanges(draft.changes)) context.console.log(line);
    sayNotes(context, draft.notes);
    context.console.log(unifiedDiff(target.title, target.text, text).trimEnd());
  }
  if (options.yes === true) return;
  if (!context.interactive) {
    throw new VhostHostError('USAGE', 'there is no terminal to ask on: nothing was changed', {
      hint: 'add --yes, or --print-diff to only look',
    });
  }
  if (!(await context.confirm(question))) throw new VhostHostError('CANCELLED', 'cancelled: nothing was changed');
}

/** What is there must say what was wanted, property by property; libvirt lays out the text its own way. */
function checkArrived(target: Target, wanted: string, got: string, changes: readonly Change[]): void {
  const want = XmlDocument.parse(wanted);
  const have = XmlDocument.parse(got);
  for (const change of changes) {
    const { owner, property } = change;
    const [a, b] = [valueOf(want, owner, property), valueOf(have, owner, property)];
    if (sameValue(property, a, b)) continue;
    throw new VhostHostError(
      'LIBVIRT_FAILED',
      `${target.title}: wanted ${changeTitle(change)} ${a ?? 'not there'}, got ${b ?? 'nothing'}; put back as it was`,
      { details: { property, wanted: a, got: b } },
    );
  }
}

/** Puts the text in place and reads it back; what did not arrive as it was meant is taken back. */
export async function putInPlace(target: Target, text: string, changes: readonly Change[]): Promise<string> {
  const got = await target.store(text);
  try {
    checkArrived(target, text, got, changes);
  } catch (error) {
    await target.store(target.text);
    throw error;
  }
  return got;
}

export function changeObjects(changes: readonly Change[]): object[] {
  return changes.map(({ owner, property, before, after, why }) => ({ owner, property, before, after, why }));
}
