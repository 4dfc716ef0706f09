import type { Scope } from '../helpers/scope.js';
import { runToEnd } from '../helpers/child.js';
import { root } from '../helpers/paths.js';

/** The ring to ring bench of the switch's core: its tables as they are printed, one for each build and way of running. */
export interface MicroTable {
  readonly threads: number;
  /** Compiler, instruction set and what the figures are. */
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const deadline = 20 * 60_000;

/** Cells of a line; only the column `how` and one title have spaces in them. */
const row = /^(\S+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+(\S+(?: \S+)*)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+(-?[\d.]+)\s*$/;
const columns = ['rings', 'bytes', 'ring', 'batch', 'how', 'cycles', 'memcpy', 'ratio', 'above memcpy'];

/** Lines that start with # begin a table; what is no row of ours is kept out, and a table without rows is dropped. */
export function parseMicro(output: string, threads: number): MicroTable[] {
  const tables: (MicroTable & { readonly rows: string[][] })[] = [];
  for (const line of output.split('\n')) {
    if (line.startsWith('#')) tables.push({ threads, title: line.slice(1).trim(), columns, rows: [] });
    const cells = row.exec(line)?.slice(1);
    if (cells !== undefined) tables.at(-1)?.rows.push(cells);
  }
  return tables.filter(({ rows }) => rows.length > 0);
}

/** Of each way of running the table of the newest instruction set, which is the last. */
export function newestOf(tables: readonly MicroTable[]): readonly MicroTable[] {
  return tables.filter(({ threads }, index) => tables.findLastIndex((other) => other.threads === threads) === index);
}

/** Builds it where needed and runs it: one thread, and with the guests on a second core. */
export async function runMicro(scope: Scope, effort: number): Promise<readonly MicroTable[]> {
  const tables: MicroTable[] = [];
  for (const threads of [1, 2]) {
    const args = ['-s', '-C', `${root}native/bench`, 'run', `THREADS=${threads}`, `EFFORT=${effort}`];
    const { code, stdout, stderr } = await runToEnd(scope, 'make', args, { deadline });
    if (code !== 0) throw new Error(`native/bench: ${stderr.slice(-1000)}`);
    tables.push(...parseMicro(stdout, threads));
  }
  return tables;
}
