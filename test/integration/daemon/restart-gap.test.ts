import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { Child } from '../../helpers/child.js';
import { freshScope } from '../../helpers/fresh-scope.js';
import { buildFrontEnd, frontEndPath } from '../../helpers/frontend.js';
import { tempDir } from '../../helpers/paths.js';
import { withScope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

const deadline = 30_000;

/** QEMU tries again a second after its connection has ended: the switch may stop, and another start, before that. */
describe('front ends that are not connected when their switch stops', function () {
  this.timeout(120_000);
  const scope = freshScope();

  before(async function () {
    this.timeout(400_000);
    await withScope((building) => buildFrontEnd(building, 'gap', 'engine_main_asan'));
  });

  async function engine(sockets: readonly string[]): Promise<Child> {
    const child = await Child.start(scope(), 'the engine', frontEndPath('engine_main_asan'), ['1', ...sockets]);
    await child.waitFor(/^ready$/m, { deadline });
    return child;
  }

  async function quit(child: Child): Promise<void> {
    child.write('quit\n');
    await until(() => child.end, { deadline, what: 'the end of the engine' });
    assert.deepEqual(child.end, { code: 0, signal: null }, child.output);
  }

  async function rig(
    how: string,
  ): Promise<{ sockets: string[]; records: () => boolean[]; first: Child; guests: Child }> {
    const dir = await tempDir(scope());
    const sockets = [`${dir}/a`, `${dir}/b`];
    const first = await engine(sockets);
    const guests = await Child.start(scope(), 'the guests', frontEndPath('gap'), [how, ...sockets]);
    await guests.waitFor(/^gap$/m, { deadline });
    const records = (): boolean[] => sockets.map((socket) => existsSync(`${socket}.rings`));
    return { sockets, records, first, guests };
  }

  for (const [how, who] of [
    ['refused', 'the switch'],
    ['itself', 'the front end'],
  ] as const) {
    it(`are served from where they were by the next one: ${who} had ended the connection`, async () => {
      const { sockets, records, first, guests } = await rig(how);
      await quit(first);
      assert.deepEqual(records(), [true, true]);
      const next = await engine(sockets);
      guests.write('go\n');
      await until(() => guests.end, { deadline, what: 'the end of the guests' });
      assert.deepEqual(guests.end, { code: 0, signal: null }, guests.output + next.output);
      await quit(next);
      assert.deepEqual(records(), [false, false], 'nobody is left who could need them');
    });
  }

  it('have nothing to do with those that another process comes with after their end', async () => {
    const { first, guests } = await rig('killed');
    guests.write('go\n');
    await until(() => guests.end, { deadline, what: 'the end of the guests' });
    assert.deepEqual(guests.end, { code: 0, signal: null }, guests.output + first.output);
    await quit(first);
  });

  it('are told where their rings are, or keep that, if they pause before these are served again', async () => {
    const { first, guests } = await rig('paused');
    guests.write('go\n');
    await until(() => guests.end, { deadline, what: 'the end of the guests' });
    assert.deepEqual(guests.end, { code: 0, signal: null }, guests.output + first.output);
    await quit(first);
  });

  it('and have ended by then leave nothing', async () => {
    const { records, first, guests } = await rig('refused');
    assert.deepEqual(records(), [true, true]);
    await guests.kill();
    await quit(first);
    assert.deepEqual(records(), [false, false]);
  });
});
