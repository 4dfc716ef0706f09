import { dirname, join } from 'node:path';
import * as z from 'zod';
import { VhostHostError, messageOf, printable } from '../common/errors.js';
import type { Host } from '../host/host.js';
import { changeSchema } from './change.js';
import type { Change } from './change.js';

/**
 * What this program has changed on the host and not taken back yet: one file per run, rewritten as a whole
 * before each change. It holds the text of files that only root may read, and names commands to be run as
 * root; so nobody else may read or write it.
 */
export const CHANGES_DIR = '/var/lib/vhost-host/changes';

const runSchema = z.object({
  format: z.literal(1),
  /** Which command made the changes, such as `libvirt setup`. */
  what: z.string(),
  started: z.string(),
  changes: z.array(changeSchema),
});

type Run = z.infer<typeof runSchema>;

export class Journal {
  private constructor(
    private readonly host: Host,
    readonly path: string,
    private run: Run,
  ) {}

  get what(): string {
    return this.run.what;
  }

  get started(): string {
    return this.run.started;
  }

  /** Oldest first. */
  get changes(): readonly Change[] {
    return this.run.changes;
  }

  /** A journal for a new run; its file comes with the first change. */
  static async begin(host: Host, what: string, dir = CHANGES_DIR): Promise<Journal> {
    if ((await host.lstat(dir)) !== undefined) await expectPrivate(host, dir);
    const last = (await fileNames(host, dir)).at(-1) ?? '0';
    const path = join(dir, `${String(parseInt(last, 10) + 1).padStart(6, '0')}.json`);
    return new Journal(host, path, { format: 1, what, started: new Date(host.now()).toISOString(), changes: [] });
  }

  /** The runs of that command that are not undone, newest first. */
  static async list(host: Host, what: string, dir = CHANGES_DIR): Promise<Journal[]> {
    if ((await host.lstat(dir)) === undefined) return [];
    await expectPrivate(host, dir);
    const journals: Journal[] = [];
    for (const name of await fileNames(host, dir)) {
      const path = join(dir, name);
      journals.unshift(new Journal(host, path, parseRun(await host.read(path), path)));
    }
    return journals.filter((journal) => journal.what === what);
  }

  /** Takes changes down before they are made. A disk that is full stops us here, with nothing done. */
  async record(...changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    if (this.run.changes.length === 0) await prepareDir(this.host, dirname(this.path));
    await this.save({ ...this.run, changes: [...this.run.changes, ...changes] });
  }

  /** Notes that the action recorded last came to a good end, and the value that was read back then. */
  async settle(value: string | undefined): Promise<void> {
    const last = this.run.changes.at(-1);
    if (last?.kind === 'run') await this.mark(last, false);
    if (last?.kind === 'value' && value !== undefined) await this.exchange(last, { ...last, after: value });
  }

  /** Notes whether a command may be half done, or half undone; returns the change as it stands now. */
  async mark<T extends Change>(change: T, begun: boolean): Promise<T> {
    if (change.kind !== 'run' || change.begun === begun) return change;
    const marked = { ...change, begun };
    await this.exchange(change, marked);
    return marked;
  }

  /** Forgets a change that is undone, or that the user wants to keep. The file goes with its last change. */
  async forget(change: Change): Promise<void> {
    await this.save({ ...this.run, changes: this.run.changes.filter((other) => other !== change) });
    if (this.run.changes.length > 0) return;
    await this.host.unlink(this.path);
    await removeDirs(this.host, dirname(this.path));
  }

  private exchange(change: Change, by: Change): Promise<void> {
    return this.save({ ...this.run, changes: this.run.changes.map((other) => (other === change ? by : other)) });
  }

  private async save(run: Run): Promise<void> {
    await this.host.write(this.path, `${JSON.stringify(run, undefined, 2)}\n`, 0o600);
    this.run = run;
  }
}

async function fileNames(host: Host, dir: string): Promise<string[]> {
  return (await host.list(dir)).filter((name) => /^\d{6,}\.json$/.test(name)).sort();
}

async function prepareDir(host: Host, dir: string): Promise<void> {
  await host.mkdir(dirname(dir), 0o755);
  await host.mkdir(dir, 0o700);
  await expectPrivate(host, dir);
}

async function expectPrivate(host: Host, dir: string): Promise<void> {
  const stat = await host.lstat(dir);
  if (stat?.kind === 'directory' && stat.uid === host.uid() && (stat.mode & 0o077) === 0) return;
  throw new VhostHostError('JOURNAL_INVALID', `${dir} is not a directory that only its owner may use`, {
    hint: `chown ${host.uid()} ${dir}; chmod 0700 ${dir}`,
  });
}

/** Leaves no empty directory of ours behind. */
async function removeDirs(host: Host, dir: string): Promise<void> {
  if (await host.rmdir(dir)) await host.rmdir(dirname(dir));
}

function parseRun(text: string, path: string): Run {
  try {
    return runSchema.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new VhostHostError('JOURNAL_INVALID', `${path} is not a journal of changes: ${printable(reason)}`, {
      hint: `move it away: mv ${path} ${path}.bad`,
      cause: error,
    });
  }
}
