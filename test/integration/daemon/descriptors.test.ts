import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Child } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { buildFrontEnd, frontEndPath, openDescriptors } from '../../helpers/frontend.js';
import { tempDir } from '../../helpers/paths.js';
import { withScope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

const deadline = 60_000;
const PORTS = 24;
/** Enough for the ports and some front ends; of these the engine keeps 32 for itself. */
const LIMIT = 200;

/** CPU time of a process so far, in clock ticks (100 a second). */
async function ticks(pid: number): Promise<number> {
  const [, fields = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ');
  const [user, system] = fields.split(' ').slice(11, 13);
  return Number(user) + Number(system);
}

describe('front ends that take all descriptors', function () {
  this.timeout(120_000);
  const scope = freshScope();

  before(async function () {
    this.timeout(400_000);
    await withScope((building) => buildFrontEnd(building, 'hostile', 'engine_main_asan'));
  });

  it('are turned away with the reason, nothing spins, what is kept works, and the next guest is taken', async () => {
    const dir = await tempDir(scope());
    const sockets = Array.from({ length: PORTS }, (_, index) => `${dir}/${index}`);
    const program = [`--nofile=${LIMIT}`, frontEndPath('engine_main_asan'), '1', ...sockets];
    const engine = await Child.start(scope(), 'the engine', 'prlimit', program);
    await engine.waitFor(/^ready$/m, { deadline });
    const before = await openDescriptors(engine.pid);
    const hostile = await Child.start(scope(), 'hostile', frontEndPath('hostile'), ['table', dir, String(PORTS)]);
    const [told = ''] = await hostile.waitFor(/^\{.*\}$/m, { deadline });
    const { full, none } = JSON.parse(told) as Record<'full' | 'none', number>;
    assert.ok(full > 0 && none > 0, told);
    const reason = 'no descriptor is left for it: the limit of open files is too low \\(ulimit -n, LimitNOFILE=\\)';
    // Where the last one runs out, when it connects or with a message, is up to the numbers.
    assert.match(engine.stderr, new RegExp(`^refused \\d+ (a front end|message \\d+ \\(SET_\\w+\\)): ${reason}$`, 'm'));
    // Its own work takes a descriptor too.
    engine.write('fds\n');
    await engine.waitFor(/^\d+\n$/m, { deadline });
    assert.ok((await openDescriptors(engine.pid)) <= LIMIT - 32, 'front ends have none of those that are kept');
    const [cpu, from] = [await ticks(engine.pid), performance.now()];
    await until(() => performance.now() - from > 1000, { deadline, what: 'a second' });
    const share = ((await ticks(engine.pid)) - cpu) / ((performance.now() - from) / 10);
    assert.ok(share < 0.5, `it takes ${share} of a CPU`);
    hostile.write('go\n');
    await until(() => hostile.end, { deadline, what: 'its end' });
    assert.deepEqual(hostile.end, { code: 0, signal: null }, hostile.output + engine.output);
    await until(async () => (await openDescriptors(engine.pid)) <= before, { deadline, what: 'all to be closed' });
    engine.write('quit\n');
    await until(() => engine.end, { deadline, what: 'the end of the engine' });
    assert.deepEqual(engine.end, { code: 0, signal: null }, engine.output);
  });
});
