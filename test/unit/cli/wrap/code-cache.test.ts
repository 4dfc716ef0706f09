import { deepEqual, equal } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFlags } from '../../../../src/common/node-flags.js';
import { codePath } from '../../../../src/cli/wrap/code-cache.js';
import { root } from '../../../helpers/paths.js';

/** Of a program whose functions come from the code where there is one. */
const text = (word: string): string => `
  const deep = (n) => (n === 0 ? '${word}' : deep(n - 1));
  process.stdout.write(deep(3) + ' ' + require('node:path').basename(__filename));`;

const flags = nodeFlags('planner', process.version) ?? [];

describe('code that was compiled ahead', function () {
  this.timeout(60_000);
  let dir: string;
  let program: string;

  /** Runs the program; `keep` writes its code. Returns what it said, whether V8 refused the code, and its complaints. */
  function start({ keep = false, name = 'first', how = flags } = {}): [number | null, string, string] {
    const script = `
      const { load, codePath } = await import('${root}build/src/cli/wrap/code-cache.js');
      const { createRequire } = await import('node:module');
      const { script, run } = load('${program}', '${name}');
      run(createRequire('${program}.js'));
      process.stdout.write(' ' + script.cachedDataRejected);
      ${keep ? `(await import('node:fs')).writeFileSync(codePath('${program}', '${name}'), script.createCachedData());` : ''}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, [...how, '--input-type=module', '-e', script]);
    return [status, String(stdout), String(stderr)];
  }

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'vh-quick-'));
    program = join(dir, 'program');
    writeFileSync(`${program}.js`, text('one'));
    deepEqual(start({ keep: true }), [0, 'one program.js undefined', '']);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const code = (): string => codePath(program, 'first');

  it('is taken by the Node that made it', () => {
    deepEqual(start(), [0, 'one program.js false', '']);
    equal(readdirSync(dir).length, 2);
  });

  it('is not even looked at where it is of another text of the same length, or of another Node', () => {
    writeFileSync(`${program}.js`, text('two'));
    deepEqual(start({ name: 'second' }), [0, 'two program.js undefined', '']);
    copyFileSync(code(), code().replace(process.version, 'v20.0.1'));
    rmSync(code());
    writeFileSync(`${program}.js`, text('one'));
    deepEqual(start(), [0, 'one program.js undefined', '']);
  });

  it('is refused where it was made under other flags, or by another V8', () => {
    deepEqual(start({ how: [...flags, '--stack-size=900'] }), [0, 'one program.js true', '']);
    const bytes = readFileSync(code());
    bytes.writeUInt32LE(bytes.readUInt32LE(4) + 1, 4);
    writeFileSync(code(), bytes);
    deepEqual(start(), [0, 'one program.js true', '']);
  });

  it('is refused where it was cut short, wherever that is', () => {
    for (let length = readFileSync(code()).length - 1; length >= 0; length = Math.floor(length / 3) - 1) {
      truncateSync(code(), length);
      const [status, said, complaint] = start();
      deepEqual(
        [status, said.replace(/ (true|undefined)$/, ''), complaint],
        [0, 'one program.js', ''],
        `${length} bytes`,
      );
    }
  });

  it('is refused where a part of it is not what was written', () => {
    const whole = readFileSync(code());
    for (let at = 40; at < whole.length; at += Math.ceil(whole.length / 12)) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x55, at);
      writeFileSync(code(), damaged);
      deepEqual(start(), [0, 'one program.js true', ''], `byte ${at}`);
    }
    writeFileSync(code(), Buffer.alloc(whole.length, 'no code at all'));
    deepEqual(start(), [0, 'one program.js true', '']);
  });

  it('is not used where V8 would take it unseen', () => {
    const bytes = readFileSync(code());
    writeFileSync(code(), bytes.fill(0x55, bytes.length / 2));
    deepEqual(start({ how: ['--preserve-symlinks-main'] }), [0, 'one program.js undefined', '']);
  });

  it('may be no file at all', () => {
    rmSync(code());
    mkdirSync(code());
    deepEqual(start(), [0, 'one program.js undefined', '']);
  });
});
