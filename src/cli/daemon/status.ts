import type { Command } from 'commander';
import type { Look } from '../../common/output.js';
import type { Status, Worker } from '../../switch/model/schema.js';
import { RESTART } from '../../switch/client/client.js';
import { contestedText } from '../../switch/ports/contested-addresses.js';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { NOTHING, count, duration, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';

const WORKER_COLUMNS: readonly Column<Worker>[] = [
  { title: 'WORKER', cell: ({ id }) => String(id), right: true },
  { title: 'CPU', cell: ({ cpu }) => (cpu === null ? 'any' : String(cpu)), right: true },
  { title: 'THREAD', cell: ({ tid }) => String(tid), right: true },
  { title: 'QUEUES', cell: ({ queues }) => String(queues), right: true },
  { title: 'PACKETS', cell: ({ packets }) => count(packets), right: true },
  { title: 'BUSY', cell: busyShare, right: true },
  { title: 'SLEEPS', cell: ({ sleeps }) => count(sleeps), right: true },
];

function busyShare({ cycles, busyCycles }: Worker): string {
  return cycles === 0 ? NOTHING : `${((100 * busyCycles) / cycles).toFixed(1)} %`;
}

function contestedFacts(contested: Status['contested']): (readonly [string, string])[] {
  return contested.map((found) => ['same MAC', contestedText(found)] as const);
}

export function statusLines(status: Status, look: Look = {}, own = status.version): string[] {
  const facts: readonly (readonly [string, string])[] = [
    ['switch', `running in ${status.runDir}, process ${status.pid}, up ${duration(status.uptimeSeconds)}`],
    ['version', `${status.version} with ${status.dpdk}`],
    ...(own === status.version ? [] : [['', `this command is ${own}: ${RESTART} (guests reconnect)`] as const]),
    ['ports', `${status.ports}, ${status.portsReady} ready; ${count(status.macs)} addresses learned`],
    ['hugepages', status.hugepagesReason === null ? 'used' : `not used: ${status.hugepagesReason}`],
    ['polling', status.poll],
    ['data path', status.instructionSet],
    ['config', status.config ?? 'none'],
    ['log', status.log ?? 'standard error'],
    ...contestedFacts(status.contested),
    ...(status.eventsLost === 0 ? [] : [['lost', `${count(status.eventsLost)} events`] as const]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    ...facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`),
    '',
    ...tableLines(WORKER_COLUMNS, status.workers, look),
  ];
}

export function addStatus(program: Command, context: CliContext): void {
  withClientOptions(program.command('status').description('show how the switch is doing')).action(
    async (options: ClientOptions) => {
      print(context, options, await clientOf(context, options).status(), (status, look) =>
        statusLines(status, look, context.version),
      );
    },
  );
}
