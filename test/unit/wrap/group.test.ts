import { deepEqual, equal, throws } from 'node:assert/strict';
import fc from 'fast-check';
import { asBoolean } from '../../../src/wrap/cmdline/option-group.js';
import { parseGroup, printKeys } from '../../../src/wrap/cmdline/parse-group.js';

const keys = (text: string) => parseGroup(text, 'type');

describe('option values', () => {
  it('key=value text prints as it was read', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[a,=]*$/)).filter((value) => !value.startsWith('{'));
    fc.assert(fc.property(text, (value) => equal(keys(value).toString(), value)));
  });

  it('JSON prints as it was read, whatever blanks it has', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(object, fc.nat(3), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        equal(parseGroup(text, undefined).toString(), text);
      }),
    );
  });

  it('an edit of JSON means what the same edit of the object means', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const object = fc.dictionary(name, fc.jsonValue());
    fc.assert(
      fc.property(object, name, fc.boolean(), fc.nat(2), (value, key, drop, indent) => {
        const group = parseGroup(JSON.stringify(value, undefined, indent), undefined);
        const edited = drop ? group.remove(key) : group.set(key, 'x');
        const wanted: Record<string, unknown> = { ...value };
        if (drop) delete wanted[key];
        else wanted[key] = 'x';
        // By way of JSON, which has no -0.
        deepEqual(JSON.parse(edited.toString()), JSON.parse(JSON.stringify(wanted)));
      }),
    );
  });

  it('a value with commas comes back from what was printed', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        equal(keys(printKeys('socket', { path: value, id: 'x' })).get('path'), value);
      }),
    );
  });

  it('reads the short forms', () => {
    equal(keys('tap,vhost').get('vhost'), 'on');
    equal(keys('tap,novhost').get('vhost'), 'off');
    equal(keys('tap,id=a').get('type'), 'tap');
    equal(keys('type=tap,id=a').get('type'), 'tap');
    equal(keys('tap,id=a,id=b').get('id'), 'b');
    equal(keys('a,,b,id=c').get('type'), 'a,b');
  });

  it('edits in place', () => {
    equal(keys('tap,id=a,fd=3').set('type', 'user').set('fd', 4).toString(), 'user,id=a,fd=4');
    equal(keys('type=tap,id=a').set('type', 'user').toString(), 'type=user,id=a');
    equal(keys('tap,vhost,id=a').set('vhost', false).toString(), 'tap,vhost=off,id=a');
    equal(keys('tap,id=a,vhost=on').remove('vhost').set('path', 'x,y').toString(), 'tap,id=a,path=x,,y');
    equal(keys('').set('a', 'b').toString(), 'a=b');
    deepEqual(keys('tap,id=a').keys(), ['type', 'id']);
  });

  it('reads scalars of JSON as QEMU would write them', () => {
    const group = parseGroup('{"a":true,"b":false,"c":3,"d":"x","e":[1],"f":null}', undefined);
    deepEqual(
      group.keys().map((key) => group.get(key)),
      ['on', 'off', '3', 'x', undefined, undefined],
    );
  });

  it('refuses broken JSON', () => {
    for (const text of ['{', '{"a":}', '{"a":1}}', '{"a":1} x']) {
      throws(() => parseGroup(text, undefined), SyntaxError);
    }
  });

  it('knows the spellings of a boolean', () => {
    deepEqual(['on', 'yes', 'true', 'y'].map(asBoolean), [true, true, true, true]);
    deepEqual(['off', 'no', 'false', 'n'].map(asBoolean), [false, false, false, false]);
    deepEqual([undefined, '', 'maybe'].map(asBoolean), [undefined, undefined, undefined]);
  });
});
