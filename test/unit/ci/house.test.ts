import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../../helpers/paths.js';

type Rules = (files: string[], root: string) => string[];
const { brokenRules } = (await import(`${root}.ci/lib/house.mjs`)) as { brokenRules: Rules };

/** A tree of these files, and what is wrong with it. */
function wrongIn(files: Record<string, string>): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'vh-house-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    return brokenRules(Object.keys(files), dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const many = (n: number, name: (i: number) => string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [name(i), '']));

describe('the rules of the house', () => {
  it('allow imports downwards', () => {
    const files = {
      'src/cli/main.ts': "import { a } from '../switch/daemon.js';\n",
      'src/switch/daemon.ts': "import type { E } from '../common/errors.js';\n",
      'src/common/errors.ts': '',
      'native/switch/switch.c': '#include "switch.h"\n#include "../virtio/virtq.h"\n',
      'native/switch/switch.h': '',
      'native/virtio/virtq.h': '#include "../base/defs.h"\n#include <stdint.h>\n',
      'native/base/defs.h': '',
    };
    assert.deepEqual(wrongIn(files), []);
  });

  it('find an import upwards, of a type too', () => {
    const files = {
      'src/common/errors.ts': "import type { Host } from '../host/host.js';\n",
      'src/host/host.ts': '',
    };
    assert.deepEqual(wrongIn(files), [
      'src/common/errors.ts imports src/host/host.ts: src/common is not above src/host',
    ]);
  });

  it('find an import from one of the rooms that do not know each other', () => {
    const files = { 'src/wrap/rules.ts': "export { a } from '../switch/lock.js';\n", 'src/switch/lock.ts': '' };
    assert.deepEqual(wrongIn(files), [
      'src/wrap/rules.ts imports src/switch/lock.ts: src/wrap is not above src/switch',
    ]);
  });

  it('find an include upwards', () => {
    const files = {
      'native/virtio/virtq.c': '#include "../switch/switch.h"\n',
      'native/switch/switch.h': '',
      'native/dpdk/uplink/vmdq.h': '#include "../vhost/session.h"\n',
      'native/dpdk/vhost/session.h': '',
    };
    assert.deepEqual(wrongIn(files), [
      'native/virtio/virtq.c imports native/switch/switch.h: native/virtio is not above native/switch',
      'native/dpdk/uplink/vmdq.h imports native/dpdk/vhost/session.h: native/dpdk/uplink is not above native/dpdk/vhost',
    ]);
  });

  it('find a file that is in no room', () => {
    assert.deepEqual(wrongIn({ 'src/steps.ts': '', 'native/dpdk/engine.c': '' }), [
      'src/steps.ts is in no room of .ci/lib/layers.mjs',
      'native/dpdk/engine.c is in no room of .ci/lib/layers.mjs',
    ]);
  });

  it('find a circle of modules, by types and by calls of import()', () => {
    const files = {
      'src/host/a.ts': "import type { B } from './b.js';\n",
      'src/host/b.ts': "const c = await import('./c.js');\n",
      'src/host/c.ts': "import {\n  a,\n} from './a.js';\n",
      'src/host/d.ts': "import './a.js';\n",
    };
    const [circle, ...more] = wrongIn(files);
    assert.deepEqual(circle?.split(': ')[1]?.split(', ').sort(), ['src/host/a.ts', 'src/host/b.ts', 'src/host/c.ts']);
    assert.deepEqual(more, []);
  });

  it('find a circle of headers and sources, for which X.c and X.h are one', () => {
    const files = {
      'native/cuse/log.h': '',
      'native/cuse/log.c': '#include "log.h"\n#include "link.h"\n',
      'native/cuse/link.h': '#include "log.h"\n',
    };
    const [circle, ...more] = wrongIn(files);
    assert.deepEqual(circle?.split(': ')[1]?.split(', ').sort(), ['native/cuse/link', 'native/cuse/log']);
    assert.deepEqual(more, []);
  });

  it('take X_priv.h for a part of X', () => {
    const files = {
      'native/dpdk/engine/engine.h': '',
      'native/dpdk/engine/engine_priv.h': '#include "engine.h"\n',
      'native/dpdk/engine/engine.c': '#include "engine_priv.h"\n',
    };
    assert.deepEqual(wrongIn(files), []);
  });

  it('find the sixteenth file of a folder, in every language and in tests', () => {
    const full = {
      ...many(15, (i) => `src/host/f${i}.ts`),
      ...many(15, (i) => `native/base/f${i}.c`),
      ...many(15, (i) => `native/base/f${i}.h`),
      ...many(40, (i) => `test/golden/boot/f${i}`),
    };
    assert.deepEqual(wrongIn(full), []);
    const more = {
      'src/host/more.ts': '',
      'native/base/more.h': '',
      ...many(16, (i) => `native/test/t${i}.c`),
      ...many(16, (i) => `test/unit/t${i}.test.ts`),
    };
    assert.deepEqual(wrongIn({ ...full, ...more }), [
      'src/host has 16 files, at most 15: make rooms in it',
      'native/base has 16 files, at most 15: make rooms in it',
      'native/test has 16 files, at most 15: make rooms in it',
      'test/unit has 16 files, at most 15: make rooms in it',
    ]);
  });
});

describe('the words of the house', () => {
  it('are those of the field, in names and texts of both languages; comments are free', () => {
    const files = {
      'src/common/a.ts': [
        '// A wish, a stray; what was told.',
        'const portWishes = `as wanted: ${1}`;',
        "export const a = { MEND: 'it is refused' };",
        'export const fine = /stray/.test(`recommended, spreads, astray ${"unchanged"}`);',
        'export const later = `${fine} mend: ${a.MEND}`;',
        'class B { #strayCount = portWishes; }',
      ].join('\n'),
      'native/base/b.c': [
        '#include "wish.h" /* A wish of strays. */',
        'int vh_flood_strays; // mend',
        'const char *s = "the switch was \\"told\\" so";',
        "int q = '\"'; int wishlist, trim_end;",
      ].join('\n'),
      'native/test/c.c': 'int wish;\n',
      'test/unit/d.ts': "export const wish = 'mend';\n",
    };
    assert.deepEqual(wrongIn(files), [
      'src/common/a.ts:2: "portWishes": the field says spec, or requested',
      'src/common/a.ts:2: "as wanted: ": the field says unchanged, or up to date',
      'src/common/a.ts:3: "MEND": the field says fix',
      'src/common/a.ts:3: "it is refused": the field says rejected, or not allowed',
      'src/common/a.ts:5: " mend: ": the field says fix',
      'src/common/a.ts:5: "MEND": the field says fix',
      'src/common/a.ts:6: "#strayCount": the field says unknown unicast',
      'src/common/a.ts:6: "portWishes": the field says spec, or requested',
      'native/base/b.c:2: "vh_flood_strays": the field says unknown unicast',
      'native/base/b.c:3: "the switch was \\"told\\" so": the field says reported, or what it was asked to do',
    ]);
  });

  it('of the release before stand where they are still taken, and nowhere else', () => {
    const text = "export const a = { strays: '--strays', spread: 'a stray' };\n";
    assert.deepEqual(wrongIn({ 'src/cli/switch/uplinks.ts': text, 'src/cli/switch/ports.ts': text }), [
      'src/cli/switch/uplinks.ts:1: "spread": the field says rebalance (of workers), distribute (of anything else)',
      'src/cli/switch/uplinks.ts:1: "a stray": the field says unknown unicast',
      'src/cli/switch/ports.ts:1: "strays": the field says unknown unicast',
      'src/cli/switch/ports.ts:1: "--strays": the field says unknown unicast',
      'src/cli/switch/ports.ts:1: "spread": the field says rebalance (of workers), distribute (of anything else)',
      'src/cli/switch/ports.ts:1: "a stray": the field says unknown unicast',
    ]);
  });
});
