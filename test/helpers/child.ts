import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Scope } from './scope.js';
import { until, within } from './until.js';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface ChildOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: User;
  /** How to ask it to end; SIGTERM where this is missing. */
  readonly quit?: (child: Child) => void;
}

export interface OutputWait {
  readonly deadline: number;
  /** The two streams are apart: what a process writes to both at once arrives in pieces, in no certain order. */
  readonly stream?: 'stdout' | 'stderr';
  /** Where in the stream to begin to look. */
  readonly from?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<ChildProcessWithoutNullStreams>();

// The last resort where nothing asynchronous runs any more; normally the scopes have ended them all by then.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const STOP_DEADLINE_MS = 10_000;
/** Enough of the output to see what went wrong: what it said first and last. */
const HEAD = 500;
const TAIL = 2000;

/** A process of ours: its output, its end, and the certainty that it does not outlive its scope. */
export class Child {
  stdout = '';
  stderr = '';
  /** Both streams as they arrived, for people to read. */
  output = '';
  readonly ended: Promise<Ended>;
  end: Ended | undefined;

  private constructor(
    readonly what: string,
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly quit: (child: Child) => void,
  ) {
    const collect = (stream: 'stdout' | 'stderr') => (chunk: string) => {
      this[stream] += chunk;
      this.output += chunk;
    };
    process.stdout.setEncoding('utf8').on('data', collect('stdout'));
    process.stderr.setEncoding('utf8').on('data', collect('stderr'));
    // Writing to a process that has just ended; its end is reported through `ended`.
    process.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      process.once('close', (code, signal) => {
        running.delete(process);
        this.end = { code, signal };
        resolve(this.end);
      });
    });
  }

  static async start(
    scope: Scope,
    what: string,
    command: string,
    args: readonly string[],
    options: ChildOptions = {},
  ): Promise<Child> {
    const process_ = spawn(command, [...args], {
      stdio: 'pipe',
      env: { ...process.env, ...options.env },
      ...(options.user ?? {}),
    });
    const child = new Child(what, process_, options.quit ?? ((self) => self.signal('SIGTERM')));
    await new Promise<void>((resolve, reject) => {
      process_.once('spawn', resolve);
      process_.once('error', reject);
    });
    running.add(process_);
    scope.defer(what, () => child.stop());
    return child;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  write(text: string): void {
    this.process.stdin.write(text);
  }

  /** For programs that end with their input. */
  closeInput(): void {
    this.process.stdin.end();
  }

  /** Waits for text that matches in what the process writes. */
  async waitFor(pattern: RegExp, { deadline, stream = 'stdout', from = 0 }: OutputWait): Promise<RegExpMatchArray> {
    try {
      return await until(
        () => {
          const match = this[stream].slice(from).match(pattern);
          if (match === null && this.end !== undefined) throw new Error(`${this.what} ended (${this.describeEnd()})`);
          return match ?? undefined;
        },
        { deadline, what: `${String(pattern)} from ${this.what}` },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}; its output:\n${this.excerpt()}`, { cause: error });
    }
  }

  private excerpt(): string {
    const text = this.output;
    return text.length <= HEAD + TAIL ? text : `${text.slice(0, HEAD)}\n…\n${text.slice(-TAIL)}`;
  }

  describeEnd(): string {
    if (this.end === undefined) return 'still running';
    return this.end.signal ?? `exit code ${this.end.code ?? '?'}`;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.end === undefined) this.process.kill(signal);
  }

  /** Asks it to end; what does not is killed, and that is an error. */
  async stop(): Promise<void> {
    if (this.end === undefined) this.quit(this);
    try {
      await within(this.ended, { deadline: STOP_DEADLINE_MS, what: `the end of ${this.what}` });
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. A bad exit code is an answer, not an error. */
export async function runToEnd(
  scope: Scope,
  command: string,
  args: readonly string[],
  { deadline = 30_000, ...options }: ChildOptions & { deadline?: number } = {},
): Promise<Finished> {
  const what = [command.split('/').at(-1), ...args].join(' ');
  const child = await Child.start(scope, what, command, args, options);
  const { code } = await within(child.ended, { deadline, what: `the end of ${what}` });
  return { code, stdout: child.stdout, stderr: child.stderr };
}
