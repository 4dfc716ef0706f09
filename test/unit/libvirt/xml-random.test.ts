import { strict as assert } from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { planDetach } from '../../../src/libvirt/attach/detach.js';
import { XmlDocument, elementsOf } from '../../../src/libvirt/xml/document.js';
import type { XmlElement, XmlNode } from '../../../src/libvirt/xml/scan.js';
import { attach, attachAll, ours, poolsWith, remembered } from './domain-support.js';
import type { Spec } from './domain-support.js';

/** Documents that nobody has written by hand, with all that XML allows and libvirt never prints. */

const blank = fc.constantFrom('', ' ', '\n', '\r\n  ', '\t');
const name = fc.constantFrom('a', 'b', 'driver', 'q:arg', 'x-1', 'long.name_2');
const inner = fc.constantFrom('', 'text', ' 1 &lt; 2 ', '&#65;', 'ä€', '&own;');
const comment = fc.constantFrom('<!-- -->', '<!-- <a b="1"> & -->', '<![CDATA[ <x> & ]]>', '<?pi a b?>');
const attribute = fc
  .tuple(name, fc.constantFrom('"', "'"), fc.constantFrom('', '1', '&quot;', 'a  b', '>', '/>'))
  .map(([key, quote, value]) => [key, `=${quote}${value}${quote}`] as const);
const attributes = fc
  .uniqueArray(attribute, { selector: ([key]) => key, maxLength: 3 })
  .map((all) => all.map(([key, rest]) => ` ${key}${rest}`).join(''));

const { element } = fc.letrec<{ element: string; content: string }>((tie) => ({
  element: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'xml' },
    fc.tuple(name, attributes, blank).map(([n, a, b]) => `<${n}${a}${b}/>`),
    fc.tuple(name, attributes, tie('content')).map(([n, a, c]) => `<${n}${a}>${c}</${n}>`),
  ),
  content: fc.array(fc.oneof(tie('element'), comment, inner, blank), { maxLength: 4 }).map((parts) => parts.join('')),
}));

/** A domain with foreign elements strewn in between everything that attach reads and edits. */
const domain = fc
  .record({
    foreign: fc.array(fc.oneof(element, comment, blank), { minLength: 5, maxLength: 5 }),
    backing: fc.constantFrom(
      '',
      '<memoryBacking/>',
      "<memoryBacking><hugepages/><access mode='private'/></memoryBacking>",
      '<memoryBacking>\n<locked/>\n</memoryBacking>',
      "<memoryBacking><source type='file'/></memoryBacking>",
      '<memoryBacking><source type="anonymous"/><!-- why --></memoryBacking>',
    ),
    cell: fc.constantFrom('', "<cpu><numa><cell id='0' memory='262144'/></numa></cpu>"),
    nic: fc.constantFrom(
      "<interface type='bridge'><source bridge='b'/></interface>",
      '<interface type="network">\n<mac address="52:54:00:00:00:01"/>\n<source network="n"/>\n<vlan><tag id="1"/></vlan>\n</interface>',
      "<interface type='direct'><model type='e1000'/><driver name='vhost' queues='2'><host csum='on'/></driver></interface>",
    ),
    nics: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ foreign: [a, b, c, d, e], backing, cell, nic, nics }) => {
    const devices = `<devices>${d}${nic.repeat(nics)}${e}</devices>`;
    return `<domain type='kvm' xmlns:q='u'>${a}<memory>262144</memory>${backing}${b}${cell}${devices}${c}<name>r</name></domain>`;
  });

const spec: fc.Arbitrary<Spec> = fc.record({
  mode: fc.constantFrom('native', 'wrap'),
  hugepages: fc.constantFrom('auto', 'none', '2M'),
  offloads: fc.boolean(),
});

/** Every piece of the text that stands somewhere, in order. */
function pieces(text: string, node: XmlNode): string[] {
  if (node.kind !== 'element') return [text.slice(node.start, node.end)];
  const close = text.slice(node.closeStart, node.end);
  return [text.slice(node.start, node.openEnd), ...node.children.flatMap((c) => pieces(text, c)), close];
}

/** The elements that attach has no business in, as they stand in the text. */
function foreign(text: string): string[] {
  const doc = XmlDocument.parse(text);
  const own = (e: XmlElement): boolean =>
    ['metadata', 'memoryBacking', 'interface', 'emulator', 'cpu'].includes(e.name);
  return [doc.root, ...elementsOf(doc.root, 'devices')].flatMap((parent) =>
    elementsOf(parent)
      .filter((child) => !own(child) && child.name !== 'devices')
      .map((child) => doc.raw(child)),
  );
}

/** An element that was there but empty, and was filled, goes with what it was filled with. */
const bare = (xml: string): string => xml.replace(/<(memoryBacking|driver)(\/>|>\s*<\/\1>)/g, '');

/** Without blanks that only lay things out. */
function meaning(text: string): unknown {
  const doc = XmlDocument.parse(text);
  const plain = (node: XmlNode): unknown => {
    if (node.kind !== 'element') return text.slice(node.start, node.end).trim();
    const parts = node.children.map(plain).filter((part) => part !== '');
    const sorted = parts.map((part) => JSON.stringify(part)).sort();
    return [node.name, node.attributes.map((a) => `${a.name}=${a.raw}`).sort(), sorted];
  };
  return plain(doc.root);
}

const recorded = readdirSync('test/golden/domain/recorded')
  .filter((file) => file.endsWith('.in.xml'))
  .map((file) => readFileSync(`test/golden/domain/recorded/${file}`, 'utf8'));

describe('domain XML: any document', () => {
  it('the pieces that are read make up the text, byte for byte, and both readers agree', () => {
    fc.assert(
      fc.property(fc.tuple(blank, element, blank), ([before, text, after]) => {
        const whole = before + text + after;
        const doc = XmlDocument.parse(whole);
        assert.equal(before + pieces(whole, doc.root).join('') + after, whole);
      }),
      { numRuns: 300 },
    );
  });

  it('attach leaves what is not its own as it stands', () => {
    fc.assert(
      fc.property(domain, spec, (text, how) => {
        assert.deepEqual(foreign(attach(text, how, poolsWith(512, 0)).doc.text), foreign(text));
      }),
      { numRuns: 150 },
    );
  });

  it('attach twice is attach once', () => {
    fc.assert(
      fc.property(domain, spec, (text, how) => {
        const once = attach(text, how, poolsWith(512, 0));
        assert.deepEqual(attach(once.doc.text, how, poolsWith(512, 0)).changes, []);
      }),
      { numRuns: 100 },
    );
  });

  it('detach after attach is the identity', () => {
    const back = (text: string, how: Spec): void => {
      const { draft, changes } = attachAll(text, how, poolsWith(512, 0));
      const left = draft.doc.text;
      const { text: restored, how: way } = planDetach(left, remembered(text, left, changes), ours);
      assert.deepEqual([restored, way], [text, 'whole']);
    };
    for (const text of recorded) back(text, { nic: '0' });
    fc.assert(fc.property(domain, spec, back), { numRuns: 150 });
  });

  it('where something else was changed in between, detach takes back only what attach did', () => {
    const back = (text: string, how: Spec): void => {
      const { draft, changes } = attachAll(text, how, poolsWith(512, 0));
      const left = draft.doc.text;
      const touch = (xml: string): string => xml.replace('<name>', '<title>new</title><name>');
      const { text: restored, how: way, users } = planDetach(touch(left), remembered(text, left, changes), ours);
      assert.equal(way, 'parts');
      // On another switch before, and with memory that did not reach it: that is not made worse again.
      if (users.length > 0) return assert.match(text, /type=['"]vhostuser/);
      assert.deepEqual(meaning(bare(restored)), meaning(bare(touch(text))));
    };
    for (const text of recorded) back(text, { nic: '0' });
    fc.assert(fc.property(domain, spec, back), { numRuns: 150 });
  });

  it('two attaches are taken back together', () => {
    fc.assert(
      fc.property(domain, spec, spec, (text, first, second) => {
        const a = attachAll(text, first, poolsWith(512, 0));
        const again: Spec = { ...second, mode: 'native', earlier: a.changes };
        const b = attachAll(a.draft.doc.text, again, poolsWith(512, 0));
        const back = planDetach(b.draft.doc.text, remembered(null, null, b.changes), ours);
        assert.deepEqual(meaning(bare(back.text)), meaning(bare(text)));
      }),
      { numRuns: 100 },
    );
  });
});
