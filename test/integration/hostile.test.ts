import assert from 'node:assert/strict';
import { Child } from '../helpers/child.js';
import { buildFrontEnd, frontEnd, frontEndPath, openDescriptors, residentMiB } from '../helpers/frontend.js';
import { watchForLeaks } from '../helpers/leaks.js';
import { tempDir } from '../helpers/paths.js';
import { Scope, withScope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** How long random attacks last; a shorter run is for those who work on them. */
const SECONDS = Number(process.env.VHOST_HOST_HOSTILE_SECONDS ?? 60);
/** How long a pair's rate is measured; random attacks on the sanitized engine last as long as asked. */
const MEASURED_SECONDS = Math.min(SECONDS, 12);
/** The same, for those that always have the same work. */
const FLOOD_SECONDS = Math.min(SECONDS, 5);
const SEED = process.env.VHOST_HOST_HOSTILE_SEED ?? String(Date.now() % 1_000_000);
/** What random attacks may add to the daemon; its own heap breathes, too. */
const ROOM_MIB = 48;
const SETTLE_MS = 15_000;

describe('hostile guests and front ends', function () {
  this.timeout(120_000 + SECONDS * 3000);
  let scope: Scope;
  let noLeaks: () => Promise<void>;
  let vswitch: Switch;
  let pid: number;
  const sockets: Record<string, string> = {};

  before(async function () {
    this.timeout(400_000);
    noLeaks = await watchForLeaks();
    await withScope((building) => buildFrontEnd(building, 'hostile', 'engine_main_asan'));
  });

  // A switch each: what one attack has filled, such as the room for lines in the log, is not the next one's.
  beforeEach(async () => {
    scope = new Scope();
    vswitch = await Switch.start(scope);
    pid = vswitch.process?.pid ?? 0;
    for (const name of ['a', 'b', 'evil', 'other']) sockets[name] = (await vswitch.addPort(name)).socket;
  });

  afterEach(() => scope.close());

  after(() => noLeaks());

  /** Arguments that are names of ports stand for their sockets. */
  function hostile(part: string, args: readonly string[], deadline?: number): Promise<string> {
    return frontEnd(scope, 'hostile', [part, ...args.map((arg) => sockets[arg] ?? arg)], deadline);
  }

  /** Runs `attack` and checks that the switch then holds no descriptor more than before. */
  async function leavesNoDescriptor(attack: () => Promise<unknown>): Promise<void> {
    const before = await openDescriptors(pid);
    await attack();
    const what = `no more than ${before} open descriptors`;
    await until(async () => (await openDescriptors(pid)) <= before, { deadline: SETTLE_MS, what });
  }

  it('ends the connection for every message that is wrong, and says why', async () => {
    await leavesNoDescriptor(() => hostile('protocol', ['evil']));
    const log = await vswitch.log();
    for (const message of ['GET_INFLIGHT_FD', 'SET_FEATURES', 'unknown message']) {
      assert.match(log, new RegExp(`port evil \\(\\d+\\): refused: message \\d+ \\(${message}\\): `));
    }
  });

  it('takes no dirty log that is wrong, stands still without one, and writes to none that has gone', async () => {
    await leavesNoDescriptor(() => hostile('log', ['evil', 'other']));
    const log = await vswitch.log();
    assert.match(log, /port evil \(\d+\): refused: ring 1: the dirty log is missing/);
    assert.match(log, /port evil \(\d+\): refused: its memory file was cut short/);
  });

  it('keeps no descriptor of 2000 refused messages with 8 each', async () => {
    await leavesNoDescriptor(() => hostile('fds', ['evil', '2000'], 90_000));
  });

  it('lets another port come up at once while front ends are silent, dribble or do not read', async () => {
    await leavesNoDescriptor(() => hostile('silent', ['evil', 'other']));
  });

  for (const ring of ['split', 'packed']) {
    it(`outlives memory that is cut short under a guest with ${ring} rings`, async () => {
      await leavesNoDescriptor(() => hostile('memory', ['evil', ring, '9']));
      assert.match(await vswitch.log(), /port evil \(\d+\): refused: its memory file was cut short/);
    });

    it(`counts what is wrong in ${ring} rings and goes on`, async () => {
      const before = (await vswitch.counters('evil')).drops;
      await hostile('rings', ['evil', ring, 'other']);
      const now = (await vswitch.counters('evil')).drops;
      const grown = Object.keys(now).filter((reason) => (now[reason] ?? 0) > (before[reason] ?? 0));
      for (const reason of [
        'tx_runt',
        'tx_too_long',
        'tx_bad_address',
        'tx_bad_indirect',
        'tx_bad_direction',
        'rx_bad_address',
        'rx_bad_chain',
        'rx_bad_direction',
        'tx_bad_ring',
        // A packed chain without an end leaves no place to go on from: the ring is bad.
        ...(ring === 'split' ? ['tx_bad_chain'] : []),
      ]) {
        assert.ok(grown.includes(reason), `${reason} was counted; grown: ${grown.join(', ')}`);
      }
    });
  }

  /** What a well-behaved pair keeps of its rate while `part` is at work: at least nine tenths. */
  async function keepsItsRate(part: string, seconds: number, args: readonly string[]): Promise<void> {
    const measure = async () => {
      const told = await hostile(part, ['a', 'b', String(seconds), ...args, String(pid)], 60_000 + seconds * 1000);
      return { told, ratio: (JSON.parse(told) as { ratio: number }).ratio };
    };
    let measured = await measure();
    // Up to twice more: the machine is shared, and a bad stretch says nothing about the switch.
    for (let again = 0; measured.ratio < 0.9 && again < 2; again++) measured = await measure();
    assert.ok(measured.ratio >= 0.9, measured.told);
  }

  it(`loses less than a tenth of a pair's rate and keeps its size under random attacks (seed ${SEED})`, async () => {
    const before = await residentMiB(pid);
    await keepsItsRate('measure', MEASURED_SECONDS, ['evil', SEED]);
    const grown = (await residentMiB(pid)) - before;
    assert.ok(grown < ROOM_MIB, `resident memory has grown by ${grown.toFixed(1)} MiB`);
  });

  it("loses less than a tenth of a pair's rate to a guest that sends chains of nothing", async () => {
    await keepsItsRate('chains', FLOOD_SECONDS, ['evil']);
  });

  for (const receiver of ['dead', 'slow']) {
    it(`loses less than a tenth of a pair's rate to another pair whose receiver is ${receiver}`, async () => {
      await keepsItsRate('full', FLOOD_SECONDS, ['evil', 'other', receiver]);
      assert.ok(((await vswitch.counters('other')).drops.rx_ring_full ?? 0) > 0, 'its ring was full');
    });
  }

  it('does not wait for a guest that blocks its call eventfd', async () => {
    await leavesNoDescriptor(() => hostile('eventfd', ['evil', 'other']));
    assert.match(await vswitch.log(), /port evil \(\d+\): refused: it took O_NONBLOCK off a call eventfd/);
  });

  it(`has no memory error and no undefined behaviour under all of it (seed ${SEED})`, async () => {
    const dir = await tempDir(scope);
    const [evil, other] = [`${dir}/evil`, `${dir}/other`];
    const engine = await Child.start(scope, 'the engine', frontEndPath('engine_main_asan'), ['2', evil, other]);
    await engine.waitFor(/^ready$/m, { deadline: 30_000 });
    await hostile('protocol', [evil]);
    await hostile('log', [evil, other]);
    for (const ring of ['split', 'packed']) {
      await hostile('memory', [evil, ring, '9']);
      await hostile('rings', [evil, ring, other]);
    }
    await hostile('random', [evil, String(SECONDS), SEED], 60_000 + SECONDS * 1000);
    await hostile('eventfd', [evil, other]);
    engine.write('quit\n');
    const end = await until(() => engine.end, { deadline: 30_000, what: 'the end of the engine' });
    assert.deepEqual(end, { code: 0, signal: null }, engine.output);
    assert.doesNotMatch(engine.output, /Sanitizer|runtime error/);
  });
});
