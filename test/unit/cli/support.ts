import { VhostHostError } from '../../../src/common/errors.js';
import { realHost } from '../../../src/host/node-host.js';
import { describeError } from '../../../src/common/output.js';
import type { Look } from '../../../src/common/output.js';
import { runCli } from '../../../src/cli/program.js';
import type { CliContext } from '../../../src/cli/shared/context.js';
import { FakeBinding } from '../../helpers/fake-binding.js';
import { until } from '../../helpers/until.js';
import { FakeClock } from '../switch/support.js';
import type { DetachedChild, Host } from '../../../src/host/host.js';

export interface Outcome {
  readonly code: number;
  readonly out: string[];
  readonly err: string[];
}

export type Spawn = (command: string, args: readonly string[], log: string) => Promise<DetachedChild>;

/** Everything around the CLI that a test looks at or moves. */
export class Desk {
  readonly binding = new FakeBinding();
  readonly signals = new Map<string, () => void>();
  readonly lines: string[] = [];
  privateFiles = false;
  loads = 0;
  /** What the user answers, question by question; none: there is no terminal. */
  answers: boolean[] | undefined;
  readonly questions: string[] = [];
  /** What the user chooses, question by question; the empty word takes the proposal. */
  replies: string[] = [];
  /** The terminal that answers go to. */
  look: Look = {};
  /** In place of the real system. */
  fakeHost: Host | undefined;
  spawn: Spawn = () => Promise.reject(new Error('nothing may be started here'));

  /** One call of `vhost-host`. */
  async run(...args: string[]): Promise<Outcome> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runCli(args, this.context(out, err));
    return { code, out, err };
  }

  context(out: string[], err: string[]): CliContext {
    return {
      host: this.fakeHost ?? this.#host(),
      console: {
        print: (line) => void out.push(line),
        log: (line) => void err.push(line),
        step: (_title, work) => work(() => undefined),
        fail: (error) => {
          const { line, hint } = describeError(error);
          err.push(line, ...(hint === undefined ? [] : [hint]));
          return Promise.resolve();
        },
      },
      look: this.look,
      clock: new FakeClock(),
      version: '9.9.9',
      node: '/bin/node',
      nodeVersion: 'v20.19.0',
      script: '/x/main.js',
      cwd: '/work',
      interactive: this.answers !== undefined,
      confirm: (question) => {
        this.questions.push(question);
        const answer = this.answers?.shift();
        return answer === undefined ? Promise.reject(new Error(`not expected: ${question}`)) : Promise.resolve(answer);
      },
      ask: (question) => {
        this.questions.push(`${question.message} [${question.proposal}]`);
        const reply = this.replies.shift();
        if (reply === undefined) return Promise.reject(new Error(`not expected: ${question.message}`));
        if (reply === '^C') return Promise.reject(new VhostHostError('CANCELLED', 'cancelled: nothing was changed'));
        return Promise.resolve(reply === '' ? question.proposal : reply);
      },
      loadBinding: () => {
        this.loads++;
        return this.binding;
      },
      onSignal: (signal, handler) => void this.signals.set(signal, handler),
      closeDebugger: () => undefined,
      makeFilesPrivate: () => void (this.privateFiles = true),
      writeLine: (descriptor, line) => {
        this.lines.push(`${descriptor}: ${line}`);
        return Promise.resolve();
      },
    };
  }

  #host(): Host {
    const absent = [
      // The daemon of these tests is this very process: never "gone", but no business of `stop` either.
      `/proc/${process.pid}/stat`,
      // Nor are the sockets of these tests held against the user of a libvirt that may be installed here.
      '/etc/libvirt/qemu.conf',
    ];
    return {
      ...realHost,
      spawnDetached: (command, args, log) => this.spawn(command, args, log),
      readOptional: (path) => (absent.includes(path) ? Promise.resolve(undefined) : realHost.readOptional(path)),
    };
  }
}

/** A switch in the foreground, as `start --foreground` runs it, ended after the test. */
export async function withSwitch(
  runDir: string,
  args: readonly string[],
  work: (desk: Desk) => Promise<void>,
): Promise<void> {
  const desk = new Desk();
  const running = desk.run('start', '--foreground', '--ready-fd', '3', '--run-dir', runDir, ...args);
  await until(() => desk.lines.length > 0, { deadline: 10_000, what: 'the switch to be ready' });
  try {
    await work(desk);
  } finally {
    desk.signals.get('SIGTERM')?.();
    await running;
  }
}

/** The one object that `--json` prints. */
export function parse(line: string | undefined): Record<string, unknown> {
  return JSON.parse(line ?? 'null') as Record<string, unknown>;
}
