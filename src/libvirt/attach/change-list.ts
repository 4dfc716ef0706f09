import { PROPERTIES, propertyTitle, readProperty, writeProperty } from '../domain/properties.js';
import type { PropertyId } from '../domain/properties.js';
import { nicTitle } from '../domain/nic.js';
import { at, below } from '../xml/document.js';
import type { Place, XmlDocument } from '../xml/document.js';

/** An interface as it stood when attach saw it, and the socket that attach gave it; null where it gave none (wrap mode). */
export interface NicOwner {
  readonly kind: 'interface';
  readonly mac: string | null;
  readonly index: number;
  readonly socket: string | null;
}

/**
 * Whose property it is. Within one document an interface is found by address and position; in a document that users
 * have changed since, `nic-match.ts` finds it by what attach gave it.
 */
export type Owner =
  | { readonly kind: 'domain' }
  | { readonly kind: 'cell'; readonly id: number }
  | { readonly kind: 'module'; readonly index: number }
  | NicOwner;

/** One property before and after; null where it is not there. Explanation, edit and undo all read these. */
export interface Change {
  readonly owner: Owner;
  readonly property: PropertyId;
  readonly before: string | null;
  readonly after: string | null;
  readonly why: string;
}

export interface Note {
  readonly level: 'info' | 'warning';
  readonly text: string;
}

export const DOMAIN: Owner = { kind: 'domain' };

const DEVICES = below([], 'devices');

function interfaceIndex(doc: XmlDocument, mac: string | null, index: number): number {
  if (mac === null) return index;
  const macs = doc
    .all(DEVICES, 'interface')
    .map((_, nth) => doc.attribute(below(at(DEVICES, 'interface', nth), 'mac'), 'address')?.toLowerCase());
  // Two interfaces may share an address: then the position decides.
  return macs[index] === mac ? index : macs.indexOf(mac);
}

/** Where the owner stands in this document; undefined where it is gone. */
export function locate(doc: XmlDocument, owner: Owner): Place | undefined {
  switch (owner.kind) {
    case 'domain':
      return [];
    case 'module': {
      const place = at(DEVICES, 'memory', owner.index);
      return doc.find(place) === undefined ? undefined : place;
    }
    case 'cell': {
      const numa = below([], 'cpu', 'numa');
      const cells = doc.all(numa, 'cell').map((_, nth) => at(numa, 'cell', nth));
      return cells.find((place, nth) => Number(doc.attribute(place, 'id') ?? nth) === owner.id);
    }
    case 'interface': {
      const place = at(DEVICES, 'interface', interfaceIndex(doc, owner.mac, owner.index));
      return doc.find(place) === undefined ? undefined : place;
    }
  }
}

export function ownerTitle(owner: Owner): string {
  switch (owner.kind) {
    case 'domain':
      return 'domain';
    case 'cell':
      return `NUMA cell ${owner.id}`;
    case 'module':
      return `DIMM ${owner.index}`;
    case 'interface':
      return nicTitle({ index: owner.index, mac: owner.mac ?? undefined });
  }
}

export function changeTitle({ owner, property }: Pick<Change, 'owner' | 'property'>): string {
  return `${ownerTitle(owner)}: ${propertyTitle(property)}`;
}

/** Whether two values say the same; libvirt lays out elements anew. */
export function sameValue(property: PropertyId, a: string | null, b: string | null): boolean {
  if (a === null || b === null || /[@#]/.test(PROPERTIES[property].path)) return a === b;
  const bare = (raw: string): string =>
    raw
      .replace(/>\s+</g, '><')
      .replace(/\s*\/>/g, '/>')
      .replace(/"/g, "'");
  return bare(a) === bare(b);
}

/** The property's value at its owner; null where either is missing. */
export function valueOf(doc: XmlDocument, owner: Owner, property: PropertyId): string | null {
  const place = locate(doc, owner);
  return place === undefined ? null : (readProperty(doc, place, property) ?? null);
}

/** A document on its way from what it is to what it shall be, with every step written down. */
export class Draft {
  #doc: XmlDocument;
  readonly #changes: Change[] = [];
  readonly #notes: Note[] = [];

  constructor(doc: XmlDocument) {
    this.#doc = doc;
  }

  get doc(): XmlDocument {
    return this.#doc;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  get notes(): readonly Note[] {
    return this.#notes;
  }

  value(owner: Owner, property: PropertyId): string | null {
    return valueOf(this.#doc, owner, property);
  }

  /** Makes the property what it shall be, if it is not. */
  set(owner: Owner, property: PropertyId, after: string | null, why: string): void {
    const place = locate(this.#doc, owner);
    if (place === undefined) throw new TypeError(`${ownerTitle(owner)} is not there`);
    const before = readProperty(this.#doc, place, property) ?? null;
    if (sameValue(property, before, after)) return;
    this.#doc = writeProperty(this.#doc, place, property, after ?? undefined);
    this.#changes.push({ owner, property, before, after, why });
  }

  note(text: string, level: Note['level'] = 'info'): void {
    if (!this.#notes.some((note) => note.text === text)) this.#notes.push({ level, text });
  }
}

/** One line for each owner and reason; the diff shows the rest. */
export function explainChanges(changes: readonly Change[]): string[] {
  return [...new Set(changes.map(({ owner, why }) => `${ownerTitle(owner)}: ${why}`))];
}
