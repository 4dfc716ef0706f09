import type { Command } from 'commander';
import type { Look } from '../../common/output.js';
import type { DropList } from '../../switch/model/schema.js';
import { clientOf, print, withClientOptions } from '../shared/client-command.js';
import type { ClientOptions } from '../shared/client-command.js';
import type { CliContext } from '../shared/context.js';
import { count, tableLines } from '../shared/table.js';
import type { Column } from '../shared/table.js';

type Drop = DropList['drops'][number];

interface DropOptions extends ClientOptions {
  readonly all?: boolean;
}

const COLUMNS: readonly Column<Drop>[] = [
  { title: 'REASON', cell: ({ reason }) => reason },
  { title: 'FRAMES', cell: ({ frames }) => count(frames), right: true },
  { title: 'AT', cell: ({ ports }) => ports.map(({ name, frames }) => `${name} ${count(frames)}`).join(', ') },
];

/** A table of what happened, and below it each reason in words. */
export function dropLines({ drops }: DropList, all: boolean, look: Look = {}): string[] {
  const shown = drops.filter(({ frames }) => all || frames > 0);
  if (shown.length === 0) return ['no frame was dropped'];
  const texts = shown.flatMap(({ reason, meaning, fix }) => ['', `${reason}: the frame ${meaning}`, `  fix: ${fix}`]);
  return [...tableLines(COLUMNS, shown, look), ...texts];
}

export function addDrops(program: Command, context: CliContext): void {
  withClientOptions(program.command('drops').description('show why frames were dropped, and what to do about it'))
    .option('--all', 'every reason that there is, also where it never happened')
    .action(async (options: DropOptions) => {
      print(context, options, await clientOf(context, options).drops(), (answer, look) =>
        dropLines(answer, options.all === true, look),
      );
    });
}
