import { checkAgreement } from './cross-check.js';
import { scanXml } from './scan.js';
import type { XmlElement } from './scan.js';
import { decodeXml } from './entities.js';

/** The way from the root to an element: at each level the n-th of that name, from 0. */
export interface Step {
  readonly name: string;
  readonly nth: number;
}
export type Place = readonly Step[];

export function below(place: Place, ...names: string[]): Place {
  return [...place, ...names.map((name) => ({ name, nth: 0 }))];
}

export function at(place: Place, name: string, nth: number): Place {
  return [...place, { name, nth }];
}

export function elementsOf(element: XmlElement, name?: string): XmlElement[] {
  return element.children.filter(
    (c): c is XmlElement => c.kind === 'element' && (name === undefined || c.name === name),
  );
}

/** An XML text and where everything in it stands. Never changes: an edit makes a new one. */
export class XmlDocument {
  readonly text: string;
  readonly root: XmlElement;

  private constructor(text: string, root: XmlElement) {
    this.text = text;
    this.root = root;
  }

  /** Reads a text of unknown origin; throws where it is not beyond doubt. */
  static parse(text: string): XmlDocument {
    const nodes = scanXml(text);
    checkAgreement(text, nodes);
    return XmlDocument.#of(text, nodes);
  }

  static #of(text: string, nodes: ReturnType<typeof scanXml>): XmlDocument {
    const root = nodes.find((node) => node.kind === 'element');
    if (root === undefined) throw new TypeError('the scanner accepted a text without a root element');
    return new XmlDocument(text, root);
  }

  /** The document with one stretch of its text replaced. */
  splice(start: number, end: number, replacement: string): XmlDocument {
    const text = this.text.slice(0, start) + replacement + this.text.slice(end);
    return XmlDocument.#of(text, scanXml(text));
  }

  find(place: Place): XmlElement | undefined {
    let element: XmlElement | undefined = this.root;
    for (const { name, nth } of place) {
      if (element === undefined) return undefined;
      element = elementsOf(element, name)[nth];
    }
    return element;
  }

  all(place: Place, name: string): XmlElement[] {
    const parent = this.find(place);
    return parent === undefined ? [] : elementsOf(parent, name);
  }

  attribute(place: Place, name: string): string | undefined {
    const raw = this.find(place)?.attributes.find((attribute) => attribute.name === name)?.raw;
    return raw === undefined ? undefined : decodeXml(raw);
  }

  /** The element's text without the blanks around it; comments in it do not count. */
  textOf(place: Place): string | undefined {
    const element = this.find(place);
    if (element === undefined) return undefined;
    const parts = element.children.map((node) => {
      const raw = this.text.slice(node.start, node.end);
      if (node.kind === 'cdata') return raw.slice(9, -3);
      return node.kind === 'text' ? decodeXml(raw) : '';
    });
    return parts.join('').trim();
  }

  raw(element: XmlElement): string {
    return this.text.slice(element.start, element.end);
  }
}
