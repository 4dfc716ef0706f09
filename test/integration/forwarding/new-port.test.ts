import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { median } from '../../bench/report/summary.js';
import { withScope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';

const PORTS = 9;
/** librte_vhost's thread looks for new sockets once a second. */
const LOOKS_EVERY_MS = 1000;

/** Connects as a front end and asks for the features. Return: ms until the answer. */
async function answerTime(socket: string): Promise<number> {
  const start = performance.now();
  const frontEnd = connect(socket);
  // GET_FEATURES (1) in version 1 of the protocol, without a payload.
  frontEnd.write(Buffer.from(Uint32Array.of(1, 1, 0).buffer));
  await once(frontEnd, 'data');
  const time = performance.now() - start;
  frontEnd.destroy();
  return time;
}

describe('a new port', function () {
  this.timeout(60_000);

  it('answers its first front end as soon as one that comes later', () =>
    withScope(async (scope) => {
      const vswitch = await Switch.start(scope);
      const first: number[] = [];
      const later: number[] = [];
      for (let n = 0; n < PORTS; n++) {
        const { socket } = await vswitch.addPort(`port${n}`);
        first.push(await answerTime(socket));
        later.push(await answerTime(socket));
      }
      // Without being woken half of the first ones wait for half of that time or longer.
      assert.ok(median(first) < median(later) + LOOKS_EVERY_MS / 4, `${String(first)} ms, then ${String(later)} ms`);
    }));
});
