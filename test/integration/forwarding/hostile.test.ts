import assert from 'node:assert/strict';
import { freshScope } from '../../helpers/fresh-scope.js';
import { buildFrontEnd, frontEnd, openDescriptors } from '../../helpers/frontend.js';
import { Battlefield } from '../../helpers/hostile.js';
import { withScope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

const SETTLE_MS = 15_000;

describe('hostile guests and front ends', function () {
  this.timeout(120_000);
  const scope = freshScope();
  let field: Battlefield;

  before(async function () {
    this.timeout(400_000);
    await withScope((building) => buildFrontEnd(building, 'hostile', 'inject'));
  });

  // A switch each: what one attack has filled, such as the room for lines in the log, is not the next one's.
  beforeEach(async () => (field = await Battlefield.start(scope())));

  /** Runs `attack` and checks that the switch then holds no descriptor more than before. */
  async function leavesNoDescriptor(attack: () => Promise<unknown>): Promise<void> {
    const before = await openDescriptors(field.pid);
    await attack();
    const what = `no more than ${before} open descriptors`;
    await until(async () => (await openDescriptors(field.pid)) <= before, { deadline: SETTLE_MS, what });
  }

  it('ends the connection for every message that is wrong, and says why', async () => {
    await leavesNoDescriptor(() => field.attack('protocol', ['evil']));
    for (const message of ['GET_INFLIGHT_FD', 'SET_FEATURES', 'unknown message']) {
      await field.vswitch.says(new RegExp(`port evil \\(\\d+\\): rejected: message \\d+ \\(${message}\\): `));
    }
  });

  it('takes no dirty log that is wrong, stands still without one, and writes to none that has gone', async () => {
    await leavesNoDescriptor(() => field.attack('log', ['evil', 'other']));
    await field.vswitch.says(/port evil \(\d+\): rejected: ring 1: the dirty log is missing/);
    await field.vswitch.says(/port evil \(\d+\): rejected: its memory file was cut short/);
  });

  it('keeps no descriptor of 500 refused messages with 8 each', async () => {
    await leavesNoDescriptor(() => field.attack('fds', ['evil', '500']));
  });

  it('lets another port come up at once while front ends are silent, dribble or do not read', async () => {
    await leavesNoDescriptor(() => field.attack('silent', ['evil', 'other']));
  });

  for (const ring of ['split', 'packed']) {
    it(`outlives memory that is cut short under a guest with ${ring} rings`, async () => {
      await leavesNoDescriptor(() => field.attack('memory', ['evil', ring, '9']));
      await field.vswitch.says(/port evil \(\d+\): rejected: its memory file was cut short/);
    });

    it(`a guest behind an IOMMU that says nonsense, or nothing, harms itself alone (${ring})`, async () => {
      await leavesNoDescriptor(() => field.attack('iommu', ['evil', ring, 'other']));
      await field.vswitch.says(/port evil \(\d+\): rejected: message 22 \(IOTLB_MSG\): /);
    });

    it(`counts what is wrong in ${ring} rings and goes on`, async () => {
      const before = (await field.vswitch.counters('evil')).drops;
      await field.attack('rings', ['evil', ring, 'other']);
      const now = (await field.vswitch.counters('evil')).drops;
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

  for (const [attack, what] of [
    ['eventfd', 'blocks its call eventfd'],
    ['flip', 'blocks its call eventfd for a moment in which nobody looks'],
  ] as const) {
    it(`does not wait for a guest that ${what}, and keeps it out`, async () => {
      await leavesNoDescriptor(() => field.attack(attack, ['evil', 'other']));
      await field.vswitch.says(/port evil \(\d+\): rejected: a write to its call eventfd did not return/);
      const { missing } = await field.vswitch.port('evil');
      assert.equal(missing?.reason, 'shut_out');
      assert.match(missing.text, /call eventfd/);
    });
  }

  it('ends with one line where a worker that waits for a guest cannot be interrupted', async function () {
    if (process.arch !== 'x64' || process.getuid?.() !== 0) return this.skip();
    const { workers } = await field.vswitch.status();
    const tid = String(workers[0]?.tid);
    // rt_sigprocmask(SIG_BLOCK, …): the worker takes no SIGURG any more, as nothing that we know of would make it.
    const masked = await frontEnd(scope(), 'inject', [tid, '14', '0', `@${'\x7f'.repeat(8)}`, '0', '8']);
    assert.equal(Number(masked), 0);
    // The program itself ends in some way: whom it attacks is gone.
    const attack = field.attack('flip', ['evil', 'other']).catch(() => '');
    const end = await until(() => field.vswitch.process?.end, { deadline: 60_000, what: 'the end of the switch' });
    await attack;
    assert.equal(end.signal, 'SIGABRT');
    const lines = field.vswitch.process?.output.split('\n').filter((line) => line.includes('cannot be interrupted'));
    assert.equal(lines?.length, 1);
    assert.match(lines[0] ?? '', new RegExp(`worker 0 \\(thread ${tid}\\) has slept in a system call for 10 s`));
  });

  it('takes nothing but eventfds for eventfds', async () => {
    await leavesNoDescriptor(() => field.attack('kinds', ['evil', 'other']));
    for (const message of ['SET_VRING_CALL', 'SET_VRING_KICK', 'SET_VRING_ERR', 'SET_LOG_FD']) {
      await field.vswitch.says(new RegExp(`rejected: message \\d+ \\(${message}\\): its descriptor is no eventfd`));
    }
  });

  it('serves others while a descriptor takes for ever to be closed', async function () {
    let told = '';
    await leavesNoDescriptor(async () => (told = await field.attack('closing', ['evil', 'other'])));
    // There is no such file without FUSE.
    if (told.includes('skipped')) this.skip();
  });
});
