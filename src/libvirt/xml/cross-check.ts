import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { VhostHostError, messageOf, printable } from '../../common/errors.js';
import type { XmlNode } from './scan.js';

/**
 * The second opinion: fast-xml-parser reads the same text, and both must see the same elements,
 * attributes, texts and comments in the same order. Where they differ, one of them has misread a
 * file that somebody's guest depends on, and nothing of it is edited.
 */

const ATTRIBUTES = ':@';
const TEXT = '#text';
const CDATA = '#cdata';
const COMMENT = '#comment';

const parser = new XMLParser({
  preserveOrder: true,
  // Entities stay as they are written: what is not decoded cannot be encoded differently.
  processEntities: false,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  cdataPropName: CDATA,
  commentPropName: COMMENT,
  ignorePiTags: true,
  ignoreDeclaration: true,
});

/** Both sides are brought into this shape. Blanks between elements carry nothing and are left out. */
type Plain = readonly [name: string, attributes: readonly (readonly [string, string])[], children: readonly Plain[]];

const leaf = (kind: string, text: string): Plain[] => (text.trim() === '' ? [] : [[kind, [['', text.trim()]], []]]);
const oneLineEnd = (text: string): string => text.replace(/\r\n?/g, '\n');
/** Attribute values may span lines; every blank in them counts as a space. */
const value = (text: string): string => text.replace(/\s/g, ' ').trim();

function plainOfScan(text: string, node: XmlNode): Plain[] {
  const raw = oneLineEnd(text.slice(node.start, node.end));
  switch (node.kind) {
    case 'instruction':
      return [];
    case 'text':
      return leaf(TEXT, raw);
    case 'comment':
      return leaf(COMMENT, raw.slice(4, -3));
    case 'cdata':
      return leaf(CDATA, raw.slice(9, -3));
    case 'element': {
      const attributes = node.attributes.map((a) => [a.name, value(oneLineEnd(a.raw))] as const);
      return [[node.name, attributes, node.children.flatMap((child) => plainOfScan(text, child))]];
    }
  }
}

type Parsed = Readonly<Record<string, unknown>>;

function innerText(value: unknown): string {
  const parts = Array.isArray(value) ? (value as Parsed[]).map((part) => part[TEXT]) : [value];
  return parts.filter((part) => typeof part === 'string' || typeof part === 'number').join('');
}

function plainOfParser(node: Parsed): Plain[] {
  const name = Object.keys(node).find((key) => key !== ATTRIBUTES) ?? '';
  const content = node[name];
  if (name === TEXT || name === CDATA || name === COMMENT) return leaf(name, oneLineEnd(innerText(content)));
  const attributes = Object.entries((node[ATTRIBUTES] ?? {}) as Record<string, string>);
  const children = Array.isArray(content) ? (content as Parsed[]) : [];
  return [[name, attributes.map(([key, raw]) => [key, value(raw)] as const), children.flatMap(plainOfParser)]];
}

function refuse(reason: string): never {
  throw new VhostHostError('XML_INVALID', `not XML that can be edited safely: ${printable(reason)}`);
}

/** Throws where fast-xml-parser does not see what the scanner saw. */
export function checkAgreement(text: string, nodes: readonly XmlNode[]): void {
  const verdict = XMLValidator.validate(text);
  if (verdict !== true) refuse(`line ${verdict.err.line}: ${verdict.err.msg}`);
  let parsed: Parsed[];
  try {
    parsed = parser.parse(text) as Parsed[];
  } catch (error) {
    refuse(messageOf(error));
  }
  const theirs = JSON.stringify(parsed.flatMap(plainOfParser));
  const ours = JSON.stringify(nodes.flatMap((node) => plainOfScan(text, node)));
  if (ours !== theirs) refuse('two readers of it disagree about what it says');
}
