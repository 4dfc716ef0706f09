import type { Change, Owner } from './change-list.js';
import type { Mode } from './select-nics.js';
import { PROPERTIES, readProperty } from '../domain/properties.js';
import type { PropertyId } from '../domain/properties.js';
import { ownerKey } from './nic-match.js';
import { elementsOf, XmlDocument } from '../xml/document.js';

/**
 * What attach changed, kept in the domain's own `<metadata>`: so it goes with the XML, into snapshots, copies, moved
 * files and other hosts, and leads back wherever that XML turns up again. It holds nothing but properties of the table,
 * so no passwords. It is read as what it is, text that anybody may have written.
 */
export interface WayBack {
  readonly mode: Mode;
  /** Ports that attach added to the running switch. */
  readonly ports: readonly string[];
  readonly changes: readonly Change[];
}

const ELEMENT = 'vhost-host:attached';
const NAMESPACE = 'urn:vhost-host:attached:1';
const WHY = 'as attach wrote it down';

/** For one owner: by property, what was there before and what attach made of it. */
interface Entry {
  readonly of: Owner;
  readonly was: Readonly<Record<string, readonly [string | null, string | null]>>;
}

function entriesOf(changes: readonly Change[]): Entry[] {
  const entries = new Map<string, { of: Owner; was: Record<string, readonly [string | null, string | null]> }>();
  for (const { owner, property, before, after } of changes) {
    const entry = entries.get(ownerKey(owner)) ?? { of: owner, was: {} };
    entry.was[property] = [before, after];
    entries.set(ownerKey(owner), entry);
  }
  return [...entries.values()];
}

/** The element; in ASCII and with as little escaped as libvirt escapes, because it is compared with what comes back. */
export function wayBackXml({ mode, ports, changes }: WayBack): string {
  const json = JSON.stringify({ mode, ports, changes: entriesOf(changes) });
  const ascii = json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const text = ascii.replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;' })[character] ?? '&gt;');
  return `<${ELEMENT} xmlns:vhost-host='${NAMESPACE}'>${text}</${ELEMENT}>`;
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  const field = (name: string): unknown => Reflect.get(value, name);
  const number = (name: string): boolean => Number.isSafeInteger(field(name)) && Number(field(name)) >= 0;
  const text = (name: string): boolean => field(name) === null || typeof field(name) === 'string';
  switch (value.kind) {
    case 'domain':
      return true;
    case 'cell':
      return number('id');
    case 'module':
      return number('index');
    case 'interface':
      return number('index') && text('mac') && text('socket');
    default:
      return false;
  }
}

/** Raw XML of nothing but elements of the property's name; anything, where it is no element. */
function fits(property: PropertyId, value: unknown): boolean {
  if (value === null) return true;
  if (typeof value !== 'string') return false;
  const { path } = PROPERTIES[property];
  if (/[@#]/.test(path)) return true;
  try {
    const { root } = XmlDocument.parse(`<x>${value}</x>`);
    const elements = elementsOf(root);
    return elements.length > 0 && elements.every(({ name }) => name === path.split('/').at(-1));
  } catch {
    return false;
  }
}

function isProperty(name: string): name is PropertyId {
  return Object.hasOwn(PROPERTIES, name) && name !== 'way-back';
}

function changesOf(entry: unknown): Change[] | undefined {
  if (typeof entry !== 'object' || entry === null || !('of' in entry) || !('was' in entry)) return undefined;
  const { of: owner, was } = entry;
  if (!isOwner(owner) || typeof was !== 'object' || was === null) return undefined;
  const changes: Change[] = [];
  for (const [property, pair] of Object.entries(was)) {
    if (!isProperty(property) || PROPERTIES[property].of !== owner.kind || !Array.isArray(pair)) return undefined;
    const [before, after] = pair as unknown[];
    if (pair.length !== 2 || !fits(property, before) || !fits(property, after)) return undefined;
    changes.push({ owner, property, before: before as string | null, after: after as string | null, why: WHY });
  }
  return changes;
}

function parse(text: string): WayBack | undefined {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { mode, ports, changes } = value as Record<string, unknown>;
  if ((mode !== 'native' && mode !== 'wrap') || !Array.isArray(ports) || !Array.isArray(changes)) return undefined;
  const lists = changes.map(changesOf);
  if (!ports.every((port) => typeof port === 'string') || lists.includes(undefined)) return undefined;
  return { mode, ports, changes: lists.flatMap((list) => list ?? []) };
}

/** undefined where there is none, or what is there is not what attach writes. */
export function readWayBack(doc: XmlDocument): WayBack | undefined {
  const raw = readProperty(doc, [], 'way-back');
  if (raw === undefined) return undefined;
  try {
    const element = XmlDocument.parse(`<metadata>${raw}</metadata>`);
    return parse(element.textOf([{ name: ELEMENT, nth: 0 }]) ?? '');
  } catch {
    return undefined;
  }
}
