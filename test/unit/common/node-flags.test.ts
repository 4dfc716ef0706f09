import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PROGRAMS, launcherTable, nodeFlags, refusal, turningPoints } from '../../../src/common/node-flags.js';
import { root } from '../../helpers/paths.js';

const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { engines: { node: string } };

describe('flags for Node', () => {
  it('are told by version: what one of them does not take is not among them', () => {
    const command = (version: string): string | undefined => nodeFlags('command', version)?.join(' ');
    deepEqual(
      ['v20.19.0', '22.13.1', 'v22.14.0', 'v23.0.0', 'v23.6.1', 'v23.7.0', 'v24.0.0', 'v26.12.1'].map(command),
      [
        '--jitless --no-expose-wasm --lite-mode',
        '--jitless --no-expose-wasm --lite-mode',
        '--jitless --no-expose-wasm --lite-mode --disable-sigusr1',
        '--jitless --no-expose-wasm --lite-mode',
        '--jitless --no-expose-wasm --lite-mode',
        '--jitless --no-expose-wasm --lite-mode --disable-sigusr1',
        '--jitless --lite-mode --disable-sigusr1',
        '--jitless --lite-mode --disable-sigusr1',
      ],
    );
  });

  it('of a Node that nobody has tried are those that its documentation promises, all without compilers', () => {
    const promised = new Set(['--jitless', '--disable-sigusr1', '--v8-pool-size=1', '--preserve-symlinks-main']);
    for (const version of ['v27.0.0', 'v30.1.2', 'v27.0.0-nightly2027', '', 'not a version']) {
      for (const program of PROGRAMS) {
        const flags = nodeFlags(program, version) ?? [];
        ok(flags.includes('--jitless'), version);
        deepEqual(
          flags.filter((flag) => !promised.has(flag)),
          [],
          version,
        );
      }
    }
  });

  it('this very Node takes them, says nothing, and has neither compilers nor a debugger', () => {
    for (const program of PROGRAMS) {
      const flags = nodeFlags(program, process.version) ?? [];
      const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '-p', 'typeof WebAssembly']);
      deepEqual([status, String(stdout), String(stderr)], [0, 'undefined\n', ''], program);
    }
  });

  it('a Node that is not supported is told the reason and the way on', () => {
    for (const version of ['v12.22.9', 'v18.20.8', 'v20.18.3', 'v21.7.3']) {
      for (const program of PROGRAMS) equal(nodeFlags(program, version), undefined, version);
      match(
        refusal(version, '/usr/bin/node') ?? '',
        /^Node v\S+ \(\/usr\/bin\/node\) is not supported: vhost-host runs on Node 20\.19 or [^\n]+\n {2}install Node 2\d/,
      );
    }
    equal(refusal(process.version, process.execPath), undefined);
    equal(manifest.engines.node, '^20.19 || >=22');
  });

  it('reach the launcher as a table in which each line holds up to the next', () => {
    const lines = launcherTable().trimEnd().split('\n');
    for (const program of PROGRAMS) {
      const rows = lines.map((line) => line.split(' ')).filter(([of]) => of === program);
      deepEqual(
        rows.map(([, version]) => version),
        turningPoints(),
      );
      for (const [, version = '', ...flags] of rows) deepEqual(flags, nodeFlags(program, version) ?? ['-'], version);
    }
    equal(readFileSync(`${root}build/bundle/cli/node.table`, 'utf8'), launcherTable());
  });

  it('are chosen by bin/vhost-host too, which Node can also read itself', () => {
    const read = (command: string, args: string[]): string => String(execFileSync(command, args));
    const version = read(`${root}bin/vhost-host`, ['--version']);
    match(version, /^\d+\.\d+\.\d+\n$/);
    equal(read(process.execPath, [`${root}bin/vhost-host`, '--version']), version);
  });
});
