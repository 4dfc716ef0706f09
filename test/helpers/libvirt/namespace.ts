import { readFileSync } from 'node:fs';
import { Child, runToEnd } from '../child.js';
import type { ChildOptions, Finished } from '../child.js';
import type { Scope } from '../scope.js';

const START_DEADLINE_MS = 10_000;

/**
 * Mount, network and process namespaces of the test's own. The first process in them lives as long as the test holds
 * its stdin; with it the kernel ends every other process and takes back every mount and network device, so nothing
 * survives a test that was killed either.
 */
export class Namespace {
  private constructor(
    private readonly scope: Scope,
    private readonly holder: Child,
  ) {}

  static async create(scope: Scope): Promise<Namespace> {
    const own = ['--mount', '--propagation', 'private', '--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
    // With SIGCHLD ignored the kernel buries the orphans that the first process inherits; libvirt waits for that.
    const first = ['env', '--ignore-signal=CHLD', 'cat'];
    const holder = await Child.start(scope, 'the namespaces', 'unshare', [...own, ...first], {
      quit: (child) => child.closeInput(),
    });
    holder.write('ready\n');
    await holder.waitFor(/^ready\n/, { deadline: START_DEADLINE_MS });
    return new Namespace(scope, holder);
  }

  /** A program that dies with its entry into the namespaces, whatever its own children do. */
  private enter(command: string, args: readonly string[]): string[] {
    const { pid } = this.holder;
    const where = ['--target', String(pid), '--mount', '--net', `--pid=/proc/${pid}/ns/pid_for_children`];
    return [...where, '--', 'setpriv', '--pdeathsig', 'KILL', command, ...args];
  }

  /** Runs a command inside to its end; a bad exit code is an answer. */
  run(command: string, args: readonly string[], options: ChildOptions & { deadline?: number } = {}): Promise<Finished> {
    return runToEnd(this.scope, 'nsenter', this.enter(command, args), options);
  }

  /** Like `run`, for commands that must succeed; gives what they print. */
  async sh(command: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, args);
    if (code !== 0) throw new Error(`${[command, ...args].join(' ')}: exit code ${code ?? '?'}: ${stderr}`);
    return stdout;
  }

  /** Starts a program inside; asked to end, it gets a SIGTERM of its own. */
  start(what: string, command: string, args: readonly string[], options: ChildOptions = {}): Promise<Child> {
    return Child.start(this.scope, what, 'nsenter', this.enter(command, args), { quit: terminate, ...options });
  }
}

/** nsenter stays outside and waits for the program, which is its only child. */
function terminate({ pid }: Child): void {
  const inner = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  if (inner !== '') process.kill(Number(inner), 'SIGTERM');
}
