import { VhostHostError, printable } from '../../common/errors.js';

/**
 * Where everything in an XML text stands. An edit of domain XML is a splice of the original text, so
 * that comments, order, quotes and entities of what is not edited stay byte for byte; a parser that
 * only hands out values cannot tell where to cut. Strict: whatever this scanner does not know for
 * sure to be well-formed it refuses (`document.ts` also has fast-xml-parser agree with the result).
 */

export interface XmlAttribute {
  readonly name: string;
  /** As written, entities and all. */
  readonly raw: string;
  readonly quote: string;
  /** From the blank before the name to behind the closing quote. */
  readonly start: number;
  readonly end: number;
}

export interface XmlElement {
  readonly kind: 'element';
  readonly name: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlNode[];
  readonly start: number;
  readonly end: number;
  /** Behind the start tag. */
  readonly openEnd: number;
  /** Where the end tag begins; `openEnd` of an element that closes itself. */
  readonly closeStart: number;
  readonly selfClosing: boolean;
}

export interface XmlOther {
  readonly kind: 'text' | 'comment' | 'cdata' | 'instruction';
  readonly start: number;
  readonly end: number;
}

export type XmlNode = XmlElement | XmlOther;

const NAME = String.raw`[A-Za-z_\u0080-\uffff][\w.\-\u00b7-\uffff]*(?::[A-Za-z_\u0080-\uffff][\w.\-\u00b7-\uffff]*)?`;
const START = new RegExp(`<(${NAME})`, 'y');
const ATTRIBUTE = new RegExp(String.raw`\s+(${NAME})\s*=\s*(?:"([^"<]*)"|'([^'<]*)')`, 'y');
const TAG_END = /\s*(\/?)>/y;
const CLOSE = new RegExp(`</(${NAME})\\s*>`, 'y');
const TEXT = /[^<]+/y;
const ENTITY = /&(?!(?:#\d+|#x[\dA-Fa-f]+|[A-Za-z_][\w.-]*);)/;
/** Far above what libvirt writes; a bound for the recursion of whoever walks the tree. */
const MAX_DEPTH = 64;

interface Open {
  readonly name: string;
  readonly attributes: XmlAttribute[];
  readonly children: XmlNode[];
  readonly start: number;
  readonly openEnd: number;
}

class Scanner {
  readonly #text: string;
  readonly #stack: Open[] = [];
  readonly #top: XmlNode[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): readonly XmlNode[] {
    // A byte order mark is no part of the document.
    if (this.#text.startsWith('\ufeff')) this.#at = 1;
    while (this.#at < this.#text.length) this.#next();
    const open = this.#stack.at(-1);
    if (open !== undefined) this.#refuse(`<${open.name}> is never closed`, open.start);
    if (this.#top.filter(({ kind }) => kind === 'element').length !== 1) this.#refuse('there must be one root element');
    return this.#top;
  }

  #next(): void {
    if (this.#text[this.#at] !== '<') this.#takeText();
    else if (this.#starts('<!--')) this.#takeUntil('comment', 4, '-->');
    else if (this.#starts('<![CDATA[')) this.#takeUntil('cdata', 9, ']]>');
    else if (this.#starts('<?')) this.#takeUntil('instruction', 2, '?>');
    else if (this.#starts('<!')) this.#refuse('document type declarations are not taken');
    else if (this.#starts('</')) this.#takeClose();
    else this.#takeStart();
  }

  #starts(word: string): boolean {
    return this.#text.startsWith(word, this.#at);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #add(node: XmlNode): void {
    (this.#stack.at(-1)?.children ?? this.#top).push(node);
  }

  #takeText(): void {
    const start = this.#at;
    const text = this.#match(TEXT)?.[0] ?? '';
    if (this.#stack.length === 0 && text.trim() !== '') this.#refuse('text outside of the root element', start);
    if (text.includes(']]>')) this.#refuse('"]]>" in text', start);
    this.#checkEntities(text, start);
    this.#add({ kind: 'text', start, end: this.#at });
  }

  #takeUntil(kind: XmlOther['kind'], skip: number, end: string): void {
    const start = this.#at;
    const found = this.#text.indexOf(end, start + skip);
    if (found < 0) this.#refuse(`a ${kind} is never closed`);
    const inner = this.#text.slice(start + skip, found);
    if (kind === 'comment' && (inner.includes('--') || inner.endsWith('-'))) this.#refuse('"--" inside of a comment');
    if (kind === 'cdata' && this.#stack.length === 0) this.#refuse('text outside of the root element');
    this.#at = found + end.length;
    this.#add({ kind, start, end: this.#at });
  }

  #takeStart(): void {
    const start = this.#at;
    const name = this.#match(START)?.[1];
    if (name === undefined) this.#refuse('"<" that begins no tag');
    if (this.#stack.length >= MAX_DEPTH) this.#refuse(`elements nested deeper than ${MAX_DEPTH}`);
    const attributes = this.#takeAttributes();
    const end = this.#match(TAG_END);
    if (end === null) this.#refuse(`the tag <${name}> is not well-formed`);
    const open = { name, attributes, children: [], start, openEnd: this.#at };
    if (end[1] === '/') this.#add(this.#element(open, this.#at, true));
    else this.#stack.push(open);
  }

  #takeAttributes(): XmlAttribute[] {
    const attributes: XmlAttribute[] = [];
    for (let start = this.#at; ; start = this.#at) {
      const match = this.#match(ATTRIBUTE);
      if (match === null) return attributes;
      const [, name = '', double, single] = match;
      const raw = double ?? single ?? '';
      if (attributes.some((other) => other.name === name)) this.#refuse(`the attribute ${name} is there twice`, start);
      this.#checkEntities(raw, start);
      attributes.push({ name, raw, quote: double === undefined ? "'" : '"', start, end: this.#at });
    }
  }

  #takeClose(): void {
    const closeStart = this.#at;
    const name = this.#match(CLOSE)?.[1];
    const open = this.#stack.pop();
    if (open === undefined || name !== open.name) this.#refuse(`</${name ?? ''}> closes nothing`, closeStart);
    this.#add(this.#element(open, closeStart, false));
  }

  #element(open: Open, closeStart: number, selfClosing: boolean): XmlElement {
    return { kind: 'element', ...open, closeStart, end: this.#at, selfClosing };
  }

  #checkEntities(text: string, start: number): void {
    if (ENTITY.test(text)) this.#refuse('"&" that begins no entity', start);
  }

  #refuse(reason: string, at = this.#at): never {
    const before = this.#text.slice(0, at);
    const line = before.split('\n').length;
    throw new VhostHostError('XML_INVALID', printable(`line ${line}: ${reason}`), { details: { line } });
  }
}

/** Everything on the top level of the document: its root element and what stands around it. */
export function scanXml(text: string): readonly XmlNode[] {
  return new Scanner(text).scan();
}
