import { readFileSync } from 'node:fs';
import { Child } from '../child.js';
import type { ChildOptions } from '../child.js';
import { tempDir } from '../paths.js';
import type { Scope } from '../scope.js';

export interface TestpmdOptions extends ChildOptions {
  /** DPDK device strings, e.g. `net_virtio_user0,path=…`. */
  readonly vdevs: readonly string[];
  /** CPU list for the control and the forwarding thread together; by default wherever the scheduler likes. */
  readonly cpus?: string;
  readonly hugepages?: boolean;
  readonly memoryMb?: number;
  readonly ealArgs?: readonly string[];
  /** testpmd's own arguments. */
  readonly args?: readonly string[];
}

export interface PortStats {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
}

const START_DEADLINE_MS = 60_000;
const COMMAND_DEADLINE_MS = 30_000;
const prompt = 'testpmd> ';
/** How testpmd says that a command did nothing; it has no other sign. */
const refusal = /Bad arguments|Command not found|Ambiguous command|Not all ports were started|Fail to|ports failed/;

/** CPUs that this process may use, in the kernel's list form. */
function allowedCpus(): string {
  return /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
}

function numberIn(text: string, label: string): number {
  const found = new RegExp(`${label}:\\s+(\\d+)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`testpmd's answer has no ${label}: ${text}`);
  return Number(found);
}

/** DPDK's dpdk-testpmd, driven through its prompt: a guest (or a back end) that counts every frame. */
export class Testpmd {
  static #count = 0;

  private constructor(readonly process: Child) {}

  static async start(scope: Scope, options: TestpmdOptions): Promise<Testpmd> {
    const { vdevs, cpus = allowedCpus(), hugepages = false, memoryMb = 192, ealArgs = [], args = [] } = options;
    const name = `testpmd-${++Testpmd.#count}`;
    const eal = [
      ...(hugepages ? ['--in-memory', '--single-file-segments'] : ['--no-huge', '-m', String(memoryMb), '--no-shconf']),
      ...['--no-telemetry', '--no-pci', '--file-prefix', name],
      ...['--lcores', `0@(${cpus}),1@(${cpus})`, '--main-lcore', '0'],
      ...vdevs.flatMap((vdev) => ['--vdev', vdev]),
      ...ealArgs,
    ];
    const pmd = [
      '-i',
      '--total-num-mbufs=8192',
      '--no-lsc-interrupt',
      '--disable-link-check',
      '--no-flush-rx',
      ...args,
    ];
    // Its run directory must be one that goes away with the test.
    const env = { ...options.env, RUNTIME_DIRECTORY: await tempDir(scope, options.user) };
    // stdbuf: into a pipe its answers would be held back, and arrive after the prompt that follows them.
    const command = ['-oL', 'dpdk-testpmd', ...eal, '--', ...pmd];
    // quit: its handler of SIGTERM closes the ports inside of the signal, wherever that happens to strike.
    const quit = (self: Child): void => self.write('quit\n');
    const child = await Child.start(scope, name, 'stdbuf', command, { ...options, env, quit });
    await child.waitFor(new RegExp(prompt), { deadline: START_DEADLINE_MS });
    if (refusal.test(child.output)) throw new Error(`${name} did not start its ports: ${child.output}`);
    return new Testpmd(child);
  }

  /** Runs one command at the prompt and gives what it printed. */
  async command(line: string): Promise<string> {
    const from = this.process.stdout.length;
    const complaintsFrom = this.process.stderr.length;
    this.process.write(`${line}\n`);
    // The prompt comes back after the echo of the command itself.
    const match = await this.process.waitFor(/\n([^]*)testpmd> /, { deadline: COMMAND_DEADLINE_MS, from });
    const answer = match[1] ?? '';
    const complaints = this.process.stderr.slice(complaintsFrom);
    if (refusal.test(answer + complaints)) throw new Error(`testpmd: ${line}: ${answer}${complaints}`);
    return answer;
  }

  async commands(...lines: string[]): Promise<void> {
    for (const line of lines) await this.command(line);
  }

  /** The device's own counters since its start or the last `clear port stats`. */
  async stats(port: number): Promise<PortStats> {
    const text = await this.command(`show port stats ${port}`);
    return {
      rxPackets: numberIn(text, 'RX-packets'),
      rxBytes: numberIn(text, 'RX-bytes'),
      txPackets: numberIn(text, 'TX-packets'),
      txBytes: numberIn(text, 'TX-bytes'),
    };
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }
}
