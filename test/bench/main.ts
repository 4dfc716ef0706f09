import { parseArgs } from 'node:util';
import { VhostHostError, messageOf } from '../../src/errors.js';
import { makeTalk } from '../../src/log.js';
import { closeWithOutput, withScope } from '../helpers/scope.js';
import type { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { reserveHugepages } from './hugepages.js';
import { allowedCpus, machineFacts } from './machine.js';
import { foreignLimit, render, rowOf } from './report.js';
import type { Report } from './report.js';
import { measure } from './rig.js';
import type { Figures } from './rig.js';

/** `npm run bench -- [--json] [--rounds N] [--seconds N]`: guest to guest throughput of the switch. */

const sizes = [64, 1500];
/** For testpmd's and the switch's own memory together. */
const hugepagesMb = 1024;
/** How often a size may be measured again because of others, over all rounds. */
const maxDiscarded = 3;

const talk = makeTalk('bench', process.stdout, process.stderr);

interface Taken {
  readonly size: number;
  readonly rounds: Figures[];
  discarded: number;
}

async function bench(scope: Scope, rounds: number, seconds: number): Promise<Report> {
  const [switchCpu, guestCpu] = await allowedCpus();
  if (switchCpu === undefined || guestCpu === undefined) {
    throw new VhostHostError('USAGE', 'the measurement needs two CPUs: one for the switch, one for the guests');
  }
  const reason = (await reserveHugepages(scope, hugepagesMb)) ?? null;
  const vswitch = await Switch.start(scope, { args: ['--workers', String(switchCpu)] });
  const ports = [await vswitch.addPort('a'), await vswitch.addPort('b')];
  const setting = { seconds, switchCpu, guestCpu, hugepages: reason === null };
  const taken: Taken[] = sizes.map((size) => ({ size, rounds: [], discarded: 0 }));
  // Interleaved, so that a change of the machine's mood meets every size.
  for (let round = 1; round <= rounds; round++) {
    for (const entry of taken) {
      await talk.step(`round ${round} of ${rounds}, ${entry.size} bytes`, async (update) => {
        for (;;) {
          const figures = await measure(vswitch, ports, { ...setting, size: entry.size });
          if (figures.foreign <= foreignLimit || entry.discarded >= maxDiscarded) {
            entry.rounds.push(figures);
            return;
          }
          entry.discarded++;
          update('again, others took CPU time');
        }
      });
    }
  }
  const { dpdk, poll, hugepages, hugepagesReason } = await vswitch.status();
  return {
    machine: machineFacts(),
    ...{ dpdk, poll, switchCpu, guestCpu, seconds },
    hugepages: hugepages && reason === null,
    hugepagesReason: reason ?? hugepagesReason,
    rows: taken.map((entry) => rowOf(entry.size, entry.rounds, entry.discarded)),
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new VhostHostError('USAGE', `--${name} takes a whole number from 1 on, not ${text}`);
}

function options(): { json: boolean; rounds: number; seconds: number } {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '3' },
      },
    });
    return { json: values.json, rounds: count('rounds', values.rounds), seconds: count('seconds', values.seconds) };
  } catch (error) {
    if (error instanceof VhostHostError) throw error;
    throw new VhostHostError('USAGE', messageOf(error), { hint: 'npm run bench -- --json --rounds 3 --seconds 3' });
  }
}

closeWithOutput(process.stdout);
try {
  const { json, rounds, seconds } = options();
  const report = await withScope((scope) => bench(scope, rounds, seconds));
  for (const line of json ? [JSON.stringify(report, undefined, 2)] : render(report)) talk.answer(line);
} catch (error) {
  process.exitCode = 1;
  await talk.fail(error instanceof VhostHostError ? error : new VhostHostError('COMMAND_FAILED', messageOf(error)));
}
