import { strict as assert } from 'node:assert';
import { rm, writeFile } from 'node:fs/promises';
import { logPath } from '../../../../src/switch/run-dir/paths.js';
import { withDir } from '../../switch/support.js';
import { FlagLedger } from '../flags.js';
import { parse, withSwitch } from '../support.js';

const MAC = '52:54:00:00:00:01';

const flags = new FlagLedger();
const run = flags.run.bind(flags);

describe('the command line: what a switch has to say', () => {
  it('two guests with one address are named by status and ports', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const there = ['--run-dir', runDir];
        for (const name of ['a', 'b']) await run(desk, 'ports', 'add', name, ...there);
        for (const port of [1, 0, 1]) desk.binding.emit({ type: 'moved', port, mac: MAC, vlan: 0 });
        const found = `${MAC} is the address of a and b`;
        assert.ok((await run(desk, 'status', ...there)).out.includes(`same MAC   ${found}`));
        const line = `${found}: give each guest its own (mac=52:54:00:…)`;
        assert.equal((await run(desk, 'ports', ...there)).out.at(-1), line);
        const { contested } = parse((await run(desk, 'status', '--json', ...there)).out[0]);
        assert.deepEqual(contested, [{ mac: MAC, vlan: 0, ports: ['a', 'b'] }]);
      }),
    ));

  it('logs: the last lines of a switch, also of one that has ended', () =>
    withDir((runDir) =>
      withSwitch(runDir, [], async (desk) => {
        const there = ['--run-dir', runDir];
        await writeFile(logPath(runDir), 'one\ntwo \u001b[31m\nthree\nhalf');
        const all = ['one', 'two \\x1b[31m', 'three'];
        assert.deepEqual(await run(desk, 'logs', ...there), { code: 0, out: all, err: [] });
        assert.deepEqual((await run(desk, 'logs', '-n', '1', ...there)).out, ['three']);
        assert.deepEqual((await run(desk, 'logs', '--lines', '0', ...there)).out, []);
        assert.deepEqual((await run(desk, 'logs', '-n', 'all', ...there)).out, all);
        const { log, lines } = parse((await run(desk, 'logs', '--json', ...there)).out[0]);
        assert.deepEqual([log, lines], [logPath(runDir), all]);
        const endless = await run(desk, 'logs', '--follow', '--json', ...there);
        assert.deepEqual([endless.code, endless.out.length], [2, 1]);
        assert.equal((await run(desk, 'logs', '-n', '-1', ...there)).code, 2);
        await run(desk, 'stop', ...there);
        const late = await run(desk, 'logs', '-n', '1', ...there);
        assert.deepEqual(late.out, ['three']);
        assert.match(late.err[0] ?? '', /^no switch is running in .*; this is what the last one said$/);
        await rm(logPath(runDir));
        assert.deepEqual((await run(desk, 'logs', ...there)).err.length, 2);
      }),
    ));

  it('and every flag of logs was used', () => {
    assert.deepEqual(
      flags.unused((flag) => !flag.startsWith('logs ')),
      [],
    );
  });
});
