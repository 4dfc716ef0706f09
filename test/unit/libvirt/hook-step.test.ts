import { strict as assert } from 'node:assert';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { HOOK, hookStep, hookText, isHook } from '../../../src/libvirt/install/hook.js';
import { MemoryHost } from '../host/memory-host.js';
import { withDir } from '../switch/support.js';
import { debian } from './support.js';

const PLACE = { node: '/usr/bin/node', packageRoot: '/opt/vhost-host', runDir: '/run/vhost-host' };
const OURS = "<domain type='kvm'>\n    <interface type='vhostuser'>\n</domain>";
const BRIDGE = "<domain type='kvm'>\n    <interface type='bridge'>\n</domain>";

interface Called {
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
  /** What our command was given to read; undefined where it was not started. */
  readonly asked: boolean;
}

/** Runs the hook as libvirt does, with a program in the place of Node that says what it was given. */
function call(dir: string, program: string, args: readonly string[], input = OURS): Promise<Called> {
  return (async () => {
    const [node, trace, file] = [join(dir, "no'de"), join(dir, 'asked'), join(dir, 'hook')];
    writeFileSync(node, `#!/bin/sh\nprintf '%s ' "$@" > ${trace}; cat >> ${trace}\n${program}\n`);
    writeFileSync(file, hookText({ ...PLACE, node }));
    for (const path of [node, file]) chmodSync(path, 0o755);
    const { exitCode, stdout, stderr } = await execa(file, ['web', ...args], { input, reject: false });
    return { code: exitCode, out: stdout, err: stderr, asked: existsSync(trace) };
  })();
}

const BEGIN = ['prepare', 'begin', '-'];

describe("libvirt's hook: the file", () => {
  it('lets a guest start unless it is refused in so many words', () =>
    withDir(async (dir) => {
      const cases: [string, number][] = [
        ['echo why >&2; echo refuse; exit 2', 1],
        ['exit 0', 0],
        // A broken package, a Node that crashes, and one that is gone.
        ['echo "SyntaxError" >&2; exit 1', 0],
        ['kill -SEGV $$', 0],
        ['echo "refuse what?"', 0],
      ];
      for (const [program, wanted] of cases) {
        const { code, out, asked } = await call(dir, program, BEGIN);
        assert.deepEqual([code, out, asked], [wanted, '', true], program);
      }
      assert.equal((await call(dir, 'echo why >&2; echo refuse', BEGIN)).err, 'why');
      writeFileSync(join(dir, 'gone'), hookText({ ...PLACE, node: join(dir, 'none') }));
      const { exitCode } = await execa('sh', [join(dir, 'gone'), 'web', ...BEGIN], { input: OURS, reject: false });
      assert.equal(exitCode, 0);
    }));

  for (const args of [
    ['start', 'begin', '-'],
    ['prepare', 'end', '-'],
    ['release', 'end', '-'],
    ['migrate', 'begin', '-'],
    ['restore', 'begin', '-'],
    ['reconnect', 'begin', '-'],
  ]) {
    it(`does nothing at ${args.join(' ')}`, () =>
      withDir(async (dir) => {
        const wanted = { code: 0, out: '', err: '', asked: false };
        assert.deepEqual(await call(dir, 'echo refuse', args), wanted);
      }));
  }

  it('starts nothing for a guest without a vhost-user interface, however long its XML is', () =>
    withDir(async (dir) => {
      const long = BRIDGE.replace('<interface', `<!--${'x'.repeat(200_000)}--><interface`);
      for (const input of [BRIDGE, '', long]) {
        assert.deepEqual(await call(dir, 'echo refuse', BEGIN, input), { code: 0, out: '', err: '', asked: false });
      }
    }));
});

describe("libvirt's hook: the step", () => {
  it('is for a libvirt that looks there, and for one whose version is not known', async () => {
    for (const version of [[6, 5, 0], [9, 0, 0], [10, 0], undefined]) {
      const step = await hookStep(debian().host, PLACE, version);
      assert.deepEqual([step?.current, step?.actions.length], ['not installed', 1]);
    }
    for (const version of [
      [6, 4, 9],
      [4, 10, 0],
    ])
      assert.equal(await hookStep(debian().host, PLACE, version), undefined);
    assert.equal(await hookStep(new MemoryHost().host, PLACE, undefined), undefined);
  });

  it('knows one of another place from its own', async () => {
    const memory = debian().file(HOOK, hookText(PLACE), 0o755);
    assert.deepEqual((await hookStep(memory.host, PLACE, undefined))?.actions, []);
    const moved = await hookStep(memory.host, { ...PLACE, packageRoot: '/srv' }, undefined);
    assert.deepEqual([moved?.current, moved?.actions.length], ['another one is there', 1]);
  });

  it('counts as installed where libvirt can run it', async () => {
    const at = (mode: number) => debian().file(HOOK, '', mode).host.stat(HOOK);
    assert.deepEqual([isHook(await at(0o755)), isHook(await at(0o644)), isHook(undefined)], [true, false, false]);
  });
});
