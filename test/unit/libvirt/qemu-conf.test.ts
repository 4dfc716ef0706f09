import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { unifiedDiff } from '../../../src/common/diff.js';
import { VhostHostError } from '../../../src/common/errors.js';
import { allowDevices, allowedDevices } from '../../../src/libvirt/qemu-conf/edit.js';
import { findSetting, parseQemuConf, printQemuConf } from '../../../src/libvirt/qemu-conf/parse.js';
import { legacySettings } from '../../../src/libvirt/qemu-conf/step.js';

const ROOT = 'test/golden/qemu-conf';
const PATH = '/etc/libvirt/qemu.conf';
const DEVICES = ['/dev/usvhost-1', '/dev/usvhost-4'];
const DEFAULTS = ['null', 'full', 'zero', 'random', 'urandom', 'ptmx', 'kvm'].map((name) => `/dev/${name}`);

const names = readdirSync(ROOT).filter((name) => name.endsWith('.conf'));

function compare(name: string, before: string, change: () => string): void {
  let got: string;
  try {
    const after = change();
    // Everything that libvirt reads in the result has to be there for our own reader as well.
    parseQemuConf(after, PATH);
    got = unifiedDiff(PATH, before, after);
  } catch (error) {
    if (!(error instanceof VhostHostError)) throw error;
    got = `error ${error.code}: ${error.message}\n${error.hint ?? ''}\n`;
  }
  const path = `${ROOT}/${name}`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, got);
  equal(got, readFileSync(path, 'utf8'));
  equal(got.startsWith('error'), name.startsWith('error'));
}

describe('qemu.conf: golden edits', () => {
  for (const name of names) {
    const before = readFileSync(`${ROOT}/${name}`, 'utf8');
    const base = name.slice(0, -'.conf'.length);
    it(`${base}, devices`, () =>
      compare(`${base}.devices.out`, before, () => allowDevices(before, PATH, DEVICES, DEFAULTS)));
    if (base.startsWith('error')) continue;
    it(`${base}, legacy`, () => {
      const allowed = allowDevices(before, PATH, DEVICES, DEFAULTS);
      compare(`${base}.legacy.out`, allowed, () => legacySettings(allowed, PATH));
    });
    it(`${base}, twice is once`, () => {
      const once = legacySettings(allowDevices(before, PATH, DEVICES, DEFAULTS), PATH);
      equal(legacySettings(allowDevices(once, PATH, DEVICES, DEFAULTS), PATH), once);
    });
    it(`${base}, nothing asked is nothing changed`, () => equal(allowDevices(before, PATH, [], DEFAULTS), before));
  }
});

describe("qemu.conf: Debian 12's own file", () => {
  const text = readFileSync(`${ROOT}/debian-12.conf`, 'utf8');

  it('has its settings commented out, and a list made of its example has the defaults and ours', () => {
    equal(parseQemuConf(text, PATH).length, 1);
    equal(allowedDevices(text, PATH), undefined);
    deepEqual(allowedDevices(allowDevices(text, PATH, DEVICES, DEFAULTS), PATH), [...DEFAULTS, ...DEVICES]);
  });

  it('keeps every line it had', () => {
    const after = legacySettings(allowDevices(text, PATH, DEVICES, DEFAULTS), PATH).split('\n');
    let at = 0;
    for (const line of text.split('\n')) {
      at = after.indexOf(line, at) + 1;
      ok(at > 0, line);
    }
  });
});

const word = fc.stringMatching(/^[a-z][a-z_]{0,7}$/);
const blank = fc.stringMatching(/^[ \t]{0,3}$/);
const lineEnd = fc.constantFrom(
  '\n',
  '\r\n',
  '\n\n',
  ' # why\n',
  ';\n',
  '\n# a comment\n',
  '\n   # cgroup_device_acl = [\n',
);
const inner = fc.stringMatching(/^[ \t\n]{0,3}$/);
const quoted = fc.oneof(
  fc.stringMatching(/^[ -!#-~é]{0,10}$/).map((text) => `"${text}"`),
  fc.stringMatching(/^[ -&(-~é]{0,10}$/).map((text) => `'${text}'`),
  fc.stringMatching(/^[ -!#-~\n]{0,10}$/).map((text) => `"""${text}"""`),
);
const list = fc.tuple(fc.array(fc.tuple(inner, quoted, inner)), inner, fc.boolean()).map(([items, gap, comma]) => {
  const body = items.map((parts) => parts.join('')).join(',');
  return `[${body}${comma && items.length > 0 ? ',' : ''}${gap}]`;
});
const value = fc.oneof(quoted, list, fc.integer().map(String));
const setting = fc.tuple(blank, word, blank, blank, value, lineEnd);
const file = fc
  .tuple(lineEnd, fc.array(setting.map(([a, name, b, c, text, end]) => `${a}${name}${b}=${c}${text}${end}`)))
  .map(([head, lines]) => head.replace(/^;/, '') + lines.join(''));
const withAcl = fc
  .tuple(file, blank, fc.oneof(list, fc.constant(undefined)), file)
  .map(([a, gap, acl, b]) => a + (acl === undefined ? '' : `cgroup_device_acl${gap}=${gap}${acl}\n`) + b);
const device = fc.stringMatching(/^\/dev\/[a-z]{1,5}-\d{1,2}$/);

describe('qemu.conf: properties', () => {
  it('parsed and printed it is the same', () => {
    fc.assert(fc.property(withAcl, (text) => equal(printQemuConf(parseQemuConf(text, PATH)), text)));
  });

  it('whatever comes in, it is read to the end or refused with a line', () => {
    const soup = fc.array(fc.constantFrom('a', '=', '"', "'", '[', ']', ',', '\n', '#', ' ', '1', ';', '"""'));
    fc.assert(
      fc.property(soup, (parts) => {
        const text = parts.join('');
        try {
          equal(printQemuConf(parseQemuConf(text, PATH)), text);
        } catch (error) {
          ok(error instanceof VhostHostError && /, line \d+: /.test(error.message), String(error));
        }
      }),
    );
  });

  it('allowing devices adds them, loses nothing, touches no other setting, and is done the second time', () => {
    fc.assert(
      fc.property(withAcl, fc.uniqueArray(device, { minLength: 1 }), (text, devices) => {
        const before = allowedDevices(text, PATH) ?? DEFAULTS;
        const after = allowDevices(text, PATH, devices, DEFAULTS);
        deepEqual(allowedDevices(after, PATH), [...before, ...devices.filter((name) => !before.includes(name))]);
        equal(allowDevices(after, PATH, devices, DEFAULTS), after);
        const others = (conf: string): string[] =>
          parseQemuConf(conf, PATH).flatMap((piece) =>
            piece.kind === 'setting' && piece.setting.name !== 'cgroup_device_acl' ? [piece.text] : [],
          );
        deepEqual(others(after), others(text));
      }),
    );
  });

  it('of several settings of one name the first counts', () => {
    equal(findSetting('a = 1\na = 2\n', PATH, 'a')?.value.kind, 'number');
    deepEqual(allowedDevices('cgroup_device_acl = ["x"]\ncgroup_device_acl = ["y"]', PATH), ['x']);
  });
});
