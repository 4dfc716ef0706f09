import { below, elementsOf } from './document.js';
import type { Place, XmlDocument } from './document.js';
import type { XmlElement } from './scan.js';
import { encodeXml } from './entities.js';

/**
 * Edits as splices. Blanks are taken from the neighbours: what stands on lines of its own gets company
 * on lines of its own, what stands in one line stays in one line.
 */

/** Children of these names come before a new one of this name, where they are there; libvirt does not mind the order. */
const PREDECESSORS: Readonly<Record<string, readonly string[]>> = {
  metadata: ['name', 'uuid', 'genid', 'title', 'description'],
  memoryBacking: ['name', 'uuid', 'genid', 'title', 'description', 'metadata', 'maxMemory', 'memory', 'currentMemory'],
  emulator: [],
  source: ['mac'],
  model: ['mac', 'source', 'target', 'guest'],
  driver: ['mac', 'source', 'target', 'guest', 'model'],
  target: ['mac', 'source'],
};

/** The blank before an element, when a line begins there. */
function lineStart(text: string, at: number): string | undefined {
  return /\r?\n[ \t]*$/.exec(text.slice(0, at))?.[0];
}

/** The blank that goes before a first child of `element`. */
function firstChildBlank(doc: XmlDocument, element: XmlElement): string {
  const own = lineStart(doc.text, element.start);
  if (own === undefined && element !== doc.root) return '';
  const first = elementsOf(doc.root)[0];
  // One step deeper than the element, by the step that the document itself takes.
  const step = first === undefined ? '  ' : (/[ \t]*$/.exec(doc.text.slice(0, first.start))?.[0] ?? '  ');
  return `${own ?? '\n'}${step}`;
}

function insertAsOnlyChild(doc: XmlDocument, parent: XmlElement, xml: string): XmlDocument {
  const blank = firstChildBlank(doc, parent);
  const closing = blank === '' ? '' : (lineStart(doc.text, parent.start) ?? '\n');
  if (!parent.selfClosing) return doc.splice(parent.openEnd, parent.closeStart, `${blank}${xml}${closing}`);
  const tag = doc.raw(parent).replace(/\s*\/>$/, '>');
  return doc.splice(parent.start, parent.end, `${tag}${blank}${xml}${closing}</${parent.name}>`);
}

/** Puts raw XML below the element at `place`. */
export function insertElement(doc: XmlDocument, place: Place, name: string, xml: string): XmlDocument {
  const parent = doc.find(place);
  if (parent === undefined) throw new TypeError(`nothing to insert <${name}> into`);
  const children = elementsOf(parent);
  const first = children[0];
  if (first === undefined) {
    const blank = doc.text.slice(parent.openEnd, parent.closeStart).trim() === '';
    return blank ? insertAsOnlyChild(doc, parent, xml) : doc.splice(parent.closeStart, parent.closeStart, xml);
  }
  const predecessors = PREDECESSORS[name];
  const before = predecessors === undefined ? children : children.filter((child) => predecessors.includes(child.name));
  const neighbour = before.at(-1);
  if (neighbour === undefined)
    return doc.splice(first.start, first.start, xml + (lineStart(doc.text, first.start) ?? ''));
  return doc.splice(neighbour.end, neighbour.end, (lineStart(doc.text, neighbour.start) ?? '') + xml);
}

/** Makes the elements of a path that are missing. */
export function ensureElements(doc: XmlDocument, base: Place, path: readonly string[]): XmlDocument {
  let result = doc;
  for (let depth = 1; depth <= path.length; depth++) {
    const name = path[depth - 1] ?? '';
    if (result.find(below(base, ...path.slice(0, depth))) !== undefined) continue;
    result = insertElement(result, below(base, ...path.slice(0, depth - 1)), name, `<${name}/>`);
  }
  return result;
}

export function setAttribute(
  doc: XmlDocument,
  base: Place,
  path: readonly string[],
  name: string,
  value: string,
): XmlDocument {
  const ready = ensureElements(doc, base, path);
  const element = ready.find(below(base, ...path));
  if (element === undefined) throw new TypeError(`nothing to set ${name} on`);
  const old = element.attributes.find((attribute) => attribute.name === name);
  if (old !== undefined) return ready.splice(old.end - 1 - old.raw.length, old.end - 1, encodeXml(value));
  const last = element.attributes.at(-1);
  const at = last?.end ?? element.start + 1 + element.name.length;
  const quote = last?.quote ?? ready.root.attributes[0]?.quote ?? "'";
  return ready.splice(at, at, ` ${name}=${quote}${encodeXml(value)}${quote}`);
}

export function setText(doc: XmlDocument, base: Place, path: readonly string[], value: string): XmlDocument {
  const ready = ensureElements(doc, base, path);
  const element = ready.find(below(base, ...path));
  if (element === undefined) throw new TypeError(`nothing to write into`);
  if (!element.selfClosing) return ready.splice(element.openEnd, element.closeStart, encodeXml(value));
  const tag = ready.raw(element).replace(/\s*\/>$/, '>');
  return ready.splice(element.start, element.end, `${tag}${encodeXml(value)}</${element.name}>`);
}

/** Takes an element out, and the line it stood on where it had one to itself. */
function cut(doc: XmlDocument, element: XmlElement): XmlDocument {
  const blank = lineStart(doc.text, element.start);
  const alone = blank !== undefined && /^[ \t]*(\r?\n|<\/)/.test(doc.text.slice(element.end));
  return doc.splice(element.start - (alone ? blank.length : 0), element.end, '');
}

/** Removes elements above that a removal has left with nothing in them, up to but without `base`. */
function prune(doc: XmlDocument, base: Place, path: readonly string[]): XmlDocument {
  if (path.length === 0) return doc;
  const element = doc.find(below(base, ...path));
  if (element === undefined) return prune(doc, base, path.slice(0, -1));
  const empty = element.attributes.length === 0 && doc.text.slice(element.openEnd, element.closeStart).trim() === '';
  return empty ? prune(cut(doc, element), base, path.slice(0, -1)) : doc;
}

export function removeAttribute(doc: XmlDocument, base: Place, path: readonly string[], name: string): XmlDocument {
  const attribute = doc.find(below(base, ...path))?.attributes.find((candidate) => candidate.name === name);
  if (attribute === undefined) return doc;
  return prune(doc.splice(attribute.start, attribute.end, ''), base, path);
}

/** Removes every element of that path's last name, and what is left empty above. */
export function removeElements(doc: XmlDocument, base: Place, path: readonly string[]): XmlDocument {
  let result = doc;
  for (;;) {
    const element = result.find(below(base, ...path));
    if (element === undefined) return prune(result, base, path.slice(0, -1));
    result = cut(result, element);
  }
}
