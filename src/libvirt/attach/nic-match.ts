import { VhostHostError } from '../../common/errors.js';
import { ownerTitle, sameValue } from './change-list.js';
import type { Change, NicOwner, Owner } from './change-list.js';
import { nicTitle } from '../domain/nic.js';
import type { Nic } from '../domain/nic.js';
import { readProperty } from '../domain/properties.js';
import type { XmlDocument } from '../xml/document.js';

/**
 * Which interface of a document is which of those that attach changed. What attach gave it says so: its socket, which no
 * two interfaces share. Address, order and the domain's name are the user's to change; they only decide where attach
 * gave nothing of its own (wrap mode), or where its socket is nowhere any more.
 */

/** One interface that attach changed. */
interface Known {
  readonly owner: NicOwner;
  readonly changes: readonly Change[];
}

/** Same for all changes of one interface. */
export function ownerKey(owner: Owner): string {
  return JSON.stringify(owner);
}

export function ownerOf(nic: Nic, socket: string | null): NicOwner {
  return { kind: 'interface', mac: nic.mac ?? null, index: nic.index, socket };
}

function knownNics(changes: readonly Change[]): Known[] {
  const known = new Map<string, { owner: NicOwner; changes: Change[] }>();
  for (const change of changes) {
    const { owner } = change;
    if (owner.kind !== 'interface') continue;
    const key = ownerKey(owner);
    known.set(key, { owner, changes: [...(known.get(key)?.changes ?? []), change] });
  }
  return [...known.values()];
}

/** Whether the interface looks as attach left the other. */
function looksLike(doc: XmlDocument, nic: Nic, { changes }: Known): boolean {
  return changes.every(({ property, after }) =>
    sameValue(property, readProperty(doc, nic.place, property) ?? null, after),
  );
}

/** Whether it does not matter which of them is which. */
function alike(known: readonly Known[]): boolean {
  const shape = ({ changes }: Known): string =>
    JSON.stringify(changes.map(({ property, before, after }) => [property, before, after]));
  return new Set(known.map(shape)).size <= 1;
}

/** Whose interfaces they are, and what is typed about it. */
export interface Subject {
  readonly name: string;
  readonly changes: readonly Change[];
  readonly commands: { readonly attach: string; readonly detach: string; readonly edit: string };
}

/** Only told where there is a doubt, in the words of the one who has to settle it. */
function doubt({ name, commands }: Subject, known: Known, nics: readonly Nic[]): VhostHostError {
  const which = nics.map((nic) => nicTitle(nic)).join(' or ');
  const sockets = new Set(nics.map(({ socket }) => socket));
  const { socket } = known.owner;
  const shared = socket !== null && nics.length > 1 && sockets.has(socket);
  const other = socket === null ? 'nothing tells them apart' : `attach gave it ${socket}, and no interface has that`;
  const reason = shared ? `they share the socket ${socket}` : other;
  return new VhostHostError(
    'DOMAIN_CHANGED',
    `${name} was changed since it was attached: ${ownerTitle(known.owner)} may be ${which}: ${reason}; nothing was changed`,
    {
      hint: shared
        ? `${commands.attach}, which gives each a port of its own, then ${commands.detach}`
        : `put it right with: ${commands.edit}`,
    },
  );
}

/** The way from an owner in the record to its interface in the document; undefined where that is gone. */
export type Match = ReadonlyMap<string, Nic | undefined>;

class Matching {
  readonly found = new Map<string, Nic | undefined>();
  #free: readonly Nic[];

  constructor(nics: readonly Nic[]) {
    this.#free = nics;
  }

  get free(): readonly Nic[] {
    return this.#free;
  }

  take({ owner }: Known, nic: Nic | undefined): void {
    this.found.set(ownerKey(owner), nic);
    this.#free = this.#free.filter((other) => other !== nic);
  }
}

function bySocket(subject: Subject, known: readonly Known[], matching: Matching): Known[] {
  return known.filter((one) => {
    const { socket } = one.owner;
    const nics = socket === null ? [] : matching.free.filter((nic) => nic.socket === socket);
    if (nics.length > 1) throw doubt(subject, one, nics);
    if (nics.length === 1) matching.take(one, nics[0]);
    return nics.length === 0;
  });
}

function byAddress(known: readonly Known[], matching: Matching): Known[] {
  return known.filter((one) => {
    const nics = matching.free.filter(({ mac }) => mac !== undefined && mac === one.owner.mac);
    if (nics.length === 1) matching.take(one, nics[0]);
    return nics.length !== 1;
  });
}

/** In wrap mode attach leaves the same in every interface; with none left that looks so, it is gone. */
function byLooks(subject: Subject, doc: XmlDocument, known: readonly Known[], matching: Matching): void {
  const wrapped = known.filter(({ owner }) => owner.socket === null);
  const [first] = wrapped;
  if (first === undefined) return;
  const nics = matching.free.filter((nic) => wrapped.some((one) => looksLike(doc, nic, one)));
  const told = nics.length === wrapped.length && alike(wrapped);
  if (nics.length > 0 && !told) throw doubt(subject, first, nics);
  wrapped.forEach((one, nth) => matching.take(one, nics[nth]));
}

/**
 * Finds the interface of each owner in the subject's changes. Throws where one of several may be meant. `ours`: whether a socket is
 * our switch's; an interface on a port that attach did not give, with an address that it did not see, may be any.
 */
export function matchNics(
  doc: XmlDocument,
  nics: readonly Nic[],
  subject: Subject,
  ours: (socket: string | undefined) => boolean,
): Match {
  const matching = new Matching(nics);
  const rest = byAddress(bySocket(subject, knownNics(subject.changes), matching), matching);
  byLooks(subject, doc, rest, matching);
  for (const one of rest.filter(({ owner }) => owner.socket !== null)) {
    const suspects = matching.free.filter(({ socket }) => ours(socket));
    if (suspects.length > 0) throw doubt(subject, one, suspects);
    matching.take(one, undefined);
  }
  return matching.found;
}

/** Interfaces that a way back belongs to: one that was copied has the same as the one that it was copied from. */
function heirs(doc: XmlDocument, nics: readonly Nic[], known: Known): readonly Nic[] {
  const { socket, mac, index } = known.owner;
  const on = nics.filter((nic) => socket !== null && nic.socket === socket);
  if (on.length > 0) return on;
  // The two halves of a failover pair have one address, and files may give none.
  const same = nics.filter((nic) => (nic.mac ?? null) === mac);
  if (same.length > 0) return same.length === 1 ? same : same.filter((nic) => nic.index === index);
  const like = nics.filter((nic) => socket === null && looksLike(doc, nic, known));
  return like.length === 1 ? like : [];
}

/** What attach did before, told of the interfaces as they stand now and as attach is about to leave them. */
export function carryOver(
  doc: XmlDocument,
  nics: readonly Nic[],
  changes: readonly Change[],
  socketOf: (nic: Nic) => string | null,
): Change[] {
  const known = new Map(knownNics(changes).map((one) => [ownerKey(one.owner), heirs(doc, nics, one)]));
  return changes.flatMap((change): Change[] => {
    const found = known.get(ownerKey(change.owner)) ?? [];
    return found.length === 0 ? [change] : found.map((nic) => ({ ...change, owner: ownerOf(nic, socketOf(nic)) }));
  });
}

/** Changes one after the other as one each; where a user came in between, the way back leads to what the user had set. */
export function netChanges(changes: readonly Change[]): Change[] {
  const net = new Map<string, Change>();
  for (const change of changes) {
    const key = `${ownerKey(change.owner)} ${change.property}`;
    const earlier = net.get(key);
    const straight = earlier !== undefined && sameValue(change.property, earlier.after, change.before);
    net.set(key, straight ? { ...change, before: earlier.before } : change);
  }
  return [...net.values()].filter(({ property, before, after }) => !sameValue(property, before, after));
}
