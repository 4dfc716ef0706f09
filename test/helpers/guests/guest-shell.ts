import type { OutputWait } from '../child.js';

const BOOT_DEADLINE_MS = 90_000;

/** Where a guest's serial line ends: a process's standard streams, or a socket. */
export interface Line {
  /** All that has come over the line so far. */
  readonly stdout: string;
  write(text: string): void;
  /** Waits for text that matches in what comes over the line. */
  waitFor(pattern: RegExp, wait: OutputWait): Promise<RegExpMatchArray>;
}

export interface Answer {
  readonly status: number;
  readonly output: string;
}

/** A Linux guest that takes shell commands over its serial line (see `.ci/guest/init`). */
export class GuestShell {
  #serial = 0;

  constructor(
    readonly name: string,
    private readonly line: Line,
  ) {}

  /** Where the output ends now: what a guest that starts anew says comes after it. */
  mark(): number {
    return this.line.stdout.length;
  }

  /** Waits for the guest's shell; `from` = where in the output to look, for a guest that starts anew. */
  async ready(from = 0, deadline = BOOT_DEADLINE_MS): Promise<void> {
    await this.line.waitFor(/\nguest-ready\n/, { deadline, from });
  }

  /** Runs a shell command (one line) in the guest. */
  async run(command: string, { deadline = 30_000 } = {}): Promise<Answer> {
    if (command.includes('\n')) throw new Error('a guest command is one line');
    const id = `${this.name}-${++this.#serial}`;
    const from = this.mark();
    this.line.write(`${id} ${command}\n`);
    const pattern = new RegExp(`\\nbegin-${id}\\n([^]*?)\\nend-${id} (\\d+)\\n`);
    const match = await this.line.waitFor(pattern, { deadline, from });
    return { output: match[1] ?? '', status: Number(match[2]) };
  }

  /** Like `run`, for commands that must succeed; gives their output. */
  async sh(command: string, options?: { deadline?: number }): Promise<string> {
    const { status, output } = await this.run(command, options);
    if (status !== 0) throw new Error(`in ${this.name}: ${command}: exit code ${status}: ${output}`);
    return output;
  }

  /** Gives a network interface an address. */
  async address(address: string, device = 'eth0'): Promise<void> {
    await this.sh(`ip addr add ${address} dev ${device} && ip link set ${device} up`);
  }

  /** Resets the machine from inside and waits until the guest is up again. */
  async reboot(): Promise<void> {
    const from = this.mark();
    this.line.write('0 reboot -f\n');
    await this.ready(from);
  }
}
