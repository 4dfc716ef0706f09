import { strict as assert } from 'node:assert';
import { PROPERTIES, readProperty, writeProperty } from '../../../src/libvirt/domain/properties.js';
import type { PropertyId } from '../../../src/libvirt/domain/properties.js';
import { XmlDocument, below } from '../../../src/libvirt/xml/document.js';
import { removeElements, setAttribute, setText } from '../../../src/libvirt/xml/edit.js';
import { decodeXml, encodeXml } from '../../../src/libvirt/xml/entities.js';
import { failure } from '../switch/support.js';

describe('domain XML: what is refused', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['a document type', '<!DOCTYPE a><a/>', /^line 1: document type declarations are not taken$/],
    ['an element that stays open', '<a>\n<b></a>', /^line 2: <\/a> closes nothing$/],
    ['an end too many', '<a/></a>', /closes nothing/],
    ['no end at all', '<a><b/>', /^line 1: <a> is never closed$/],
    ['two roots', '<a/><b/>', /one root element/],
    ['nothing', ' \n', /one root element/],
    ['text around the root', '<a/>b', /text outside/],
    ['CDATA around the root', '<![CDATA[x]]><a/>', /text outside/],
    ['an attribute that is there twice', "<a b='1' b='2'/>", /the attribute b is there twice/],
    ['an attribute without quotes', '<a b=1/>', /the tag <a> is not well-formed/],
    ['an attribute without a value', '<a b/>', /not well-formed/],
    ['attributes without a blank between', "<a b='1'c='2'/>", /not well-formed/],
    ['"<" in a value', "<a b='<'/>", /not well-formed/],
    ['a bare "&"', '<a>x & y</a>', /"&" that begins no entity/],
    ['a bare "&" in a value', "<a b='&'/>", /"&" that begins no entity/],
    ['"<" that begins no tag', '<a>1 < 2</a>', /"<" that begins no tag/],
    ['"]]>" in text', '<a>]]></a>', /"]]>" in text/],
    ['a comment that stays open', '<a><!-- </a>', /a comment is never closed/],
    ['"--" in a comment', '<a><!-- -- --></a>', /"--" inside of a comment/],
    ['CDATA that stays open', '<a><![CDATA[</a>', /a cdata is never closed/],
    ['elements without end', '<a>'.repeat(70) + '</a>'.repeat(70), /nested deeper than 64/],
    ['what the other reader refuses', '<?xml?><a><constructor/><__proto__ b="1"/></a>', /./],
  ];
  for (const [what, text, message] of cases) {
    it(what, async () => assert.match((await failure('XML_INVALID', () => XmlDocument.parse(text))).message, message));
  }
});

describe('domain XML: what is read', () => {
  const doc = XmlDocument.parse(
    `\ufeff<?xml version='1.0'?><!-- a --><d t="a&#x41;&lt;&own;">\r\n<b> x<!-- y --><![CDATA[<&]]> &#66; </b><b n='2'/></d>\n<!-- z -->`,
  );

  it('values, decoded; an entity nobody knows stays as it is', () => {
    assert.equal(doc.attribute([], 't'), 'aA<&own;');
    assert.equal(doc.textOf(below([], 'b')), 'x<& B');
    assert.equal(doc.attribute([{ name: 'b', nth: 1 }], 'n'), '2');
    assert.equal(doc.attribute(below([], 'c', 'd'), 'n'), undefined);
    assert.equal(doc.textOf(below([], 'c')), undefined);
  });

  it('what is encoded decodes to the same', () => {
    const value = `a<b>&"'c&amp;`;
    assert.equal(decodeXml(encodeXml(value)), value);
    assert.equal(decodeXml('&#x110000;&#0;'), '&#x110000;\0');
  });
});

describe('domain XML: edits', () => {
  const edit = (text: string, work: (doc: XmlDocument) => XmlDocument): string => work(XmlDocument.parse(text)).text;

  it('a value keeps its quotes, and needs none escaped that it has not', () => {
    const text = `<a  b = "1"   c='2' />`;
    assert.equal(
      edit(text, (doc) => setAttribute(doc, [], [], 'b', `"x'`)),
      `<a  b = "&quot;x&apos;"   c='2' />`,
    );
    assert.equal(
      edit(text, (doc) => setAttribute(doc, [], [], 'd', '3')),
      `<a  b = "1"   c='2' d='3' />`,
    );
  });

  it('new elements stand like their neighbours: on lines of their own, or all in one', () => {
    const add = (doc: XmlDocument): XmlDocument => setAttribute(doc, [], ['x', 'y'], 'n', '1');
    assert.equal(edit('<a>\n  <b/>\n</a>', add), "<a>\n  <b/>\n  <x>\n    <y n='1'/>\n  </x>\n</a>");
    assert.equal(edit('<a>\r\n\t<b/>\r\n</a>', add), "<a>\r\n\t<b/>\r\n\t<x>\r\n\t\t<y n='1'/>\r\n\t</x>\r\n</a>");
    assert.equal(edit('<a><b/></a>', add), "<a><b/><x><y n='1'/></x></a>");
    assert.equal(edit('<a>text</a>', add), "<a>text<x><y n='1'/></x></a>");
    assert.equal(
      edit('<a><b/>\n  <x></x></a>', add),
      "<a><b/>\n  <x>\n    <y n='1'/>\n  </x></a>".replace('    <y', '  <y'),
    );
  });

  it('text goes where there was some, or into what closed itself', () => {
    const write = (doc: XmlDocument): XmlDocument => setText(doc, [], ['b'], 'x&y');
    assert.equal(edit('<a><b c="1">old</b></a>', write), '<a><b c="1">x&amp;y</b></a>');
    assert.equal(edit('<a><b c="1" /></a>', write), '<a><b c="1">x&amp;y</b></a>');
    assert.equal(edit('<a></a>', write).replace(/\s/g, ''), '<a><b>x&amp;y</b></a>');
  });

  it('what is taken out takes its line along, and what is left empty above', () => {
    const remove = (doc: XmlDocument): XmlDocument => removeElements(doc, [], ['b', 'c']);
    assert.equal(edit('<a>\n  <b>\n    <c/>\n    <c/>\n  </b>\n  <d/>\n</a>', remove), '<a>\n  <d/>\n</a>');
    assert.equal(edit("<a><b x='1'><c/></b></a>", remove), "<a><b x='1'></b></a>");
    assert.equal(edit('<a>\n <b><c/><e/></b>\n</a>', remove), '<a>\n <b><e/></b>\n</a>');
    assert.equal(edit('<a>\n <b>\n <c/> <!-- why -->\n </b>\n</a>', remove), '<a>\n <b>\n  <!-- why -->\n </b>\n</a>');
  });

  it('every property can be written, read back, and taken out again', () => {
    const text = '<domain>\n  <name>x</name>\n</domain>';
    for (const id of Object.keys(PROPERTIES) as PropertyId[]) {
      const element = PROPERTIES[id].path.split('/').at(-1) ?? '';
      const value = /[@#]/.test(element) ? 'a&b' : `<${element} n='1'/><${element} n='2'/>`;
      const written = writeProperty(XmlDocument.parse(text), [], id, value);
      assert.equal(readProperty(XmlDocument.parse(written.text), [], id), value, id);
      assert.equal(writeProperty(written, [], id, undefined).text, text, id);
    }
  });
});
