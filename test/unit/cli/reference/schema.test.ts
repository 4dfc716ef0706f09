import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { parseConfig as parseSwitchConfig } from '../../../../src/switch/config/config.js';
import { parseConfig as parseWrapConfig } from '../../../../src/wrap/config/config.js';
import { KEYS, KEY_NAMES } from '../../../../src/wrap/config/keys.js';
import { root } from '../../../helpers/paths.js';

const json = (path: string): object => JSON.parse(readFileSync(`${root}${path}`, 'utf8')) as object;
// Strict, so that a word of the schema that validators do not know is a mistake.
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
const valid = {
  switch: ajv.compile(json('docs/reference/switch.schema.json')),
  wrap: ajv.compile(json('docs/reference/qemu-wrap.schema.json')),
};
const accepted = {
  switch: (value: unknown) => parses(() => parseSwitchConfig('x.json', JSON.stringify(value))),
  wrap: (value: unknown) => parses(() => parseWrapConfig(JSON.stringify(value), 'x.json')),
};

function parses(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

describe('schemas of the configurations', () => {
  it('accept the examples that packages bring', () => {
    const examples = readdirSync(`${root}packaging/examples`);
    deepEqual(examples.sort(), ['qemu-wrap.json', 'switch.json']);
    for (const [name, check] of [['switch.json', valid.switch] as const, ['qemu-wrap.json', valid.wrap] as const])
      ok(check(json(`packaging/examples/${name}`)), JSON.stringify(check.errors));
  });

  const switchCases: [unknown, boolean][] = [
    [{}, true],
    [
      { workers: '0,2-3', poll: 'busy', ports: [{ name: 'web', vlan: 'access:7', transports: ['user', 'cuse'] }] },
      true,
    ],
    [{ workers: [1, 2], socket: { mode: '0660', group: 'kvm' } }, true],
    [{ runDir: 'relative' }, false],
    [{ workers: true }, false],
    [{ pol: 'busy' }, false],
    [{ ports: [{ socket: '/x' }] }, false],
    [{ ports: [{ name: 'web', owner: 'nobody' }] }, false],
    [{ uplinks: [{ name: 'net0', device: '0000:03:00.0', mtu: 9000 }] }, true],
    [{ uplinks: [{ name: 'net0', device: '0000:03:00.0', mtu: 10 }] }, false],
    [[], false],
  ];
  for (const [value, good] of switchCases)
    it(`the switch and its schema both ${good ? 'accept' : 'refuse'} ${JSON.stringify(value)}`, () => {
      equal(valid.switch(value), good);
      equal(accepted.switch(value), good);
    });

  const values: readonly unknown[] = [
    ...['auto', 'on', 'off', 'user', 'cuse', '', 'x', '/x', 'x/y', '/dev/usvhost-1', '/dev/../x', '/dev/-x'],
    ...[0, 0.1, -1, 3600, 3601, true, false, null, {}, [], ['/x'], ['x'], ['-m', '1G'], [1], [['x']]],
  ];
  for (const key of KEY_NAMES)
    it(`qemu-wrap and its schema agree on "${key}", outside and in a domain's section`, () => {
      const found = new Set<boolean>();
      for (const value of values) {
        const good = KEYS[key].check(value) === undefined;
        found.add(good);
        const inSection = good && key !== 'emulator';
        equal(valid.wrap({ [key]: value }), good, JSON.stringify(value));
        equal(valid.wrap({ domains: { db: { [key]: value } } }), inSection, JSON.stringify(value));
        equal(accepted.wrap({ domains: { db: { [key]: value } } }), inSection, JSON.stringify(value));
      }
      equal(found.size, 2);
    });

  it('qemu-wrap and its schema agree on whatever else is written', () => {
    const name = fc.oneof(fc.constantFrom(...KEY_NAMES, 'domains'), fc.string());
    const file = fc.dictionary(name, fc.oneof(fc.constantFrom(...values), fc.jsonValue()));
    fc.assert(
      fc.property(file, (value) => {
        // JSON Schema cannot say "at most three decimals" in numbers of base two.
        const { reconnect, ...rest } = value as { reconnect?: unknown };
        const checked = typeof reconnect === 'number' ? rest : value;
        equal(valid.wrap(JSON.parse(JSON.stringify(checked))), accepted.wrap(checked));
      }),
    );
  });

  it('a key that a schema does not have is refused', () => {
    for (const check of Object.values(valid)) equal(check({ $private: 1 }), false);
    throws(() => ajv.compile({ type: 'object', format: 'starts_with' }));
  });
});
