import { VhostHostError } from '../errors.js';
import { Draft, changeTitle, locate, ownerTitle, sameValue } from './attach-change.js';
import type { Saved } from './saved.js';
import { XmlDocument } from './xml-document.js';

export interface Detached {
  readonly text: string;
  /** `whole`: the original, byte for byte; `parts`: only what attach had changed. */
  readonly how: 'whole' | 'parts';
  readonly draft: Draft;
}

function conflict(name: string, title: string): VhostHostError {
  return new VhostHostError(
    'DOMAIN_CHANGED',
    `${name} was changed since it was attached, also what attach had set: ${title}`,
    { hint: `put it right with: virsh edit ${name}` },
  );
}

/** Takes back one change after the other, newest first; whatever else was changed in between stays. */
function takeBack(doc: XmlDocument, saved: Saved): Draft {
  const draft = new Draft(doc);
  for (const change of [...saved.changes].reverse()) {
    const { owner, property, before, after } = change;
    if (locate(draft.doc, owner) === undefined) {
      draft.note(`${ownerTitle(owner)} is gone: nothing to take back there`);
      continue;
    }
    const current = draft.value(owner, property);
    if (sameValue(property, current, before)) continue;
    if (!sameValue(property, current, after)) throw conflict(saved.name, changeTitle(change));
    draft.set(owner, property, before, 'as it was before it was attached');
  }
  return draft;
}

/** The domain as it was before it was attached. */
export function planDetach(text: string, saved: Saved): Detached {
  const doc = XmlDocument.parse(text);
  if (text === saved.left && saved.original !== null) {
    return { text: saved.original, how: 'whole', draft: takeBack(doc, saved) };
  }
  const draft = takeBack(doc, saved);
  return { text: draft.doc.text, how: 'parts', draft };
}
