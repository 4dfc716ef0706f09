import { VhostHostError } from '../../common/errors.js';
import { DOMAIN, Draft, changeTitle, locate, ownerTitle, sameValue } from './change-list.js';
import type { Change } from './change-list.js';
import { readNics } from '../domain/nic.js';
import { memoryUsers } from '../domain/memory-users.js';
import { matchNics, ownerKey, ownerOf } from './nic-match.js';
import type { Saved } from './saved-state.js';
import { wayBackXml } from './way-back.js';
import { XmlDocument } from '../xml/document.js';

export interface Detached {
  readonly text: string;
  /** `whole`: the original, byte for byte; `parts`: only what attach had changed. */
  readonly how: 'whole' | 'parts';
  readonly draft: Draft;
  /** What attach made of the memory and something else needs by now; it is still to be taken back. */
  readonly kept: readonly Change[];
  /** Who needs it. */
  readonly users: readonly string[];
}

/** What is typed to do something with the domain or file, in full. */
export interface Commands {
  readonly attach: string;
  readonly detach: string;
  readonly edit: string;
}

/** The name is the domain's present one. */
export type Remembered = Pick<Saved, 'name' | 'mode' | 'original' | 'left' | 'changes'> & {
  readonly commands: Commands;
};

const DONE = 'nothing is left to go back from';

function conflict({ name, commands }: Remembered, title: string): VhostHostError {
  return new VhostHostError(
    'DOMAIN_CHANGED',
    `${name} was changed since it was attached, also what attach had set: ${title}`,
    { hint: `put it right with: ${commands.edit}` },
  );
}

const isMemory = ({ owner, property }: Change): boolean => owner.kind !== 'interface' && property !== 'emulator';

/** The changes, each told of the interface as it stands in this document; those of interfaces that are gone left out. */
function present(draft: Draft, saved: Remembered, ours: (socket: string | undefined) => boolean): readonly Change[] {
  const match = matchNics(draft.doc, readNics(draft.doc), saved, ours);
  return saved.changes.flatMap((change): Change[] => {
    const { owner } = change;
    const nic = match.get(ownerKey(owner));
    if (nic !== undefined) return [{ ...change, owner: ownerOf(nic, nic.socket ?? null) }];
    if (owner.kind !== 'interface' && locate(draft.doc, owner) !== undefined) return [change];
    draft.note(`${ownerTitle(owner)} is gone: nothing to take back there`);
    return [];
  });
}

/** Newest first; whatever else was changed in between stays. */
function takeBack(draft: Draft, saved: Remembered, changes: readonly Change[]): void {
  for (const change of [...changes].reverse()) {
    const { owner, property, before, after } = change;
    const current = draft.value(owner, property);
    if (sameValue(property, current, before)) continue;
    if (!sameValue(property, current, after)) throw conflict(saved, changeTitle(change));
    draft.set(owner, property, before, 'as it was before it was attached');
  }
}

/** Memory stays shared as long as anything needs it: without that its link would be up, and no frame would ever arrive. */
function takeMemoryBack(draft: Draft, saved: Remembered, changes: readonly Change[]): readonly Change[] {
  const kept = changes.filter(
    ({ owner, property, before }) => !sameValue(property, draft.value(owner, property), before),
  );
  if (kept.length > 0 && memoryUsers(draft.doc).length > 0) return kept;
  takeBack(draft, saved, changes);
  return [];
}

function inParts(doc: XmlDocument, saved: Remembered, ours: (socket: string | undefined) => boolean): Detached {
  const draft = new Draft(doc);
  const changes = present(draft, saved, ours);
  takeBack(
    draft,
    saved,
    changes.filter((change) => !isMemory(change)),
  );
  const kept = takeMemoryBack(draft, saved, changes.filter(isMemory));
  const wayBack = kept.length === 0 ? null : wayBackXml({ mode: saved.mode, ports: [], changes: kept });
  draft.set(DOMAIN, 'way-back', wayBack, kept.length === 0 ? DONE : 'what is still to be taken back');
  // It may come from text that others have written.
  const { text } = XmlDocument.parse(draft.doc.text);
  return { text, how: 'parts', draft, kept, users: kept.length === 0 ? [] : memoryUsers(draft.doc) };
}

/** The domain as it was before it was attached. */
export function planDetach(text: string, saved: Remembered, ours: (socket: string | undefined) => boolean): Detached {
  const doc = XmlDocument.parse(text);
  if (text !== saved.left || saved.original === null) return inParts(doc, saved, ours);
  const draft = new Draft(doc);
  takeBack(draft, saved, present(draft, saved, ours));
  draft.set(DOMAIN, 'way-back', null, DONE);
  return { text: saved.original, how: 'whole', draft, kept: [], users: [] };
}
