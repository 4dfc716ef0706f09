import { below } from '../xml/document.js';
import type { Place, XmlDocument } from '../xml/document.js';
import { ensureElements, insertElement, removeAttribute, removeElements, setAttribute, setText } from '../xml/edit.js';

/**
 * Every place of domain XML that `vm attach` may ever touch. A path ends in `@attribute`, in `#text` for
 * an element's text, or in nothing for an element as a whole, whose value is its text in the file.
 */
export const PROPERTIES = {
  'way-back': { of: 'domain', path: 'metadata/vhost-host:attached' },
  emulator: { of: 'domain', path: 'devices/emulator#text' },
  'memory-access': { of: 'domain', path: 'memoryBacking/access@mode' },
  'memory-source': { of: 'domain', path: 'memoryBacking/source@type' },
  'memory-hugepages': { of: 'domain', path: 'memoryBacking/hugepages' },
  'cell-access': { of: 'cell', path: '@memAccess' },
  'module-access': { of: 'module', path: '@access' },
  type: { of: 'interface', path: '@type' },
  trust: { of: 'interface', path: '@trustGuestRxFilters' },
  source: { of: 'interface', path: 'source' },
  'source-type': { of: 'interface', path: 'source@type' },
  'source-path': { of: 'interface', path: 'source@path' },
  'source-mode': { of: 'interface', path: 'source@mode' },
  'reconnect-enabled': { of: 'interface', path: 'source/reconnect@enabled' },
  'reconnect-timeout': { of: 'interface', path: 'source/reconnect@timeout' },
  model: { of: 'interface', path: 'model@type' },
  'driver-name': { of: 'interface', path: 'driver@name' },
  queues: { of: 'interface', path: 'driver@queues' },
  iommu: { of: 'interface', path: 'driver@iommu' },
  'host-csum': { of: 'interface', path: 'driver/host@csum' },
  'host-gso': { of: 'interface', path: 'driver/host@gso' },
  'guest-tso4': { of: 'interface', path: 'driver/guest@tso4' },
  'guest-tso6': { of: 'interface', path: 'driver/guest@tso6' },
  'guest-ecn': { of: 'interface', path: 'driver/guest@ecn' },
  target: { of: 'interface', path: 'target' },
  vlan: { of: 'interface', path: 'vlan' },
  bandwidth: { of: 'interface', path: 'bandwidth' },
  filterref: { of: 'interface', path: 'filterref' },
  port: { of: 'interface', path: 'port' },
  virtualport: { of: 'interface', path: 'virtualport' },
  backend: { of: 'interface', path: 'backend' },
  script: { of: 'interface', path: 'script' },
  downscript: { of: 'interface', path: 'downscript' },
  mtu: { of: 'interface', path: 'mtu' },
  coalesce: { of: 'interface', path: 'coalesce' },
  tune: { of: 'interface', path: 'tune' },
  ip: { of: 'interface', path: 'ip' },
  route: { of: 'interface', path: 'route' },
  guest: { of: 'interface', path: 'guest' },
  'port-forward': { of: 'interface', path: 'portForward' },
} as const satisfies Record<string, { readonly of: 'domain' | 'cell' | 'module' | 'interface'; readonly path: string }>;

export type PropertyId = keyof typeof PROPERTIES;

interface Address {
  readonly path: readonly string[];
  readonly attribute: string | undefined;
  readonly text: boolean;
}

function addressOf(id: PropertyId): Address {
  const [elements = '', attribute] = PROPERTIES[id].path.split('@');
  const path = elements.replace('#text', '');
  return { path: path === '' ? [] : path.split('/'), attribute, text: elements.endsWith('#text') };
}

/** As a user would look for it: `<driver><host csum=…>`. */
export function propertyTitle(id: PropertyId): string {
  const { path, attribute } = addressOf(id);
  const where = path.map((name) => `<${name}>`).join('');
  if (attribute === undefined) return where;
  return `${where === '' ? `<${PROPERTIES[id].of}>` : where} ${attribute}=`;
}

/** undefined where it is not there. */
export function readProperty(doc: XmlDocument, base: Place, id: PropertyId): string | undefined {
  const { path, attribute, text } = addressOf(id);
  const place = below(base, ...path);
  if (attribute !== undefined) return doc.attribute(place, attribute);
  if (text) return doc.textOf(place);
  const all = doc.all(place.slice(0, -1), path.at(-1) ?? '');
  return all.length === 0 ? undefined : all.map((element) => doc.raw(element)).join('');
}

/** The document with the property as given; undefined takes it out. */
export function writeProperty(doc: XmlDocument, base: Place, id: PropertyId, value: string | undefined): XmlDocument {
  const { path, attribute, text } = addressOf(id);
  if (attribute !== undefined) {
    return value === undefined
      ? removeAttribute(doc, base, path, attribute)
      : setAttribute(doc, base, path, attribute, value);
  }
  if (text && value !== undefined) return setText(doc, base, path, value);
  const without = removeElements(doc, base, path);
  if (value === undefined) return without;
  const ready = ensureElements(without, base, path.slice(0, -1));
  return insertElement(ready, below(base, ...path.slice(0, -1)), path.at(-1) ?? '', value);
}
