import { runCli } from '../../src/cli/program.js';
import { describeError } from '../../src/common/output.js';
import { MemoryHost } from '../unit/host/memory-host.js';
import { Desk } from '../unit/cli/support.js';

const FILE = '/work/dom.xml';

export interface Edited {
  /** The error's line; undefined where all went well. */
  readonly failure: string | undefined;
  /** The error is one of ours; otherwise it is a crash. */
  readonly known: boolean;
}

/** `vhost-host vm` on one domain in a file, on a host in memory: no libvirt, no switch, no hugepages. */
export class DomainDesk {
  readonly memory: MemoryHost;
  readonly #desk = new Desk();

  constructor(text: string) {
    this.memory = new MemoryHost().file(FILE, text);
    this.#desk.fakeHost = this.memory.host;
  }

  get text(): string {
    return this.memory.entries.get(FILE)?.text ?? '';
  }

  set text(text: string) {
    this.memory.file(FILE, text);
  }

  /** Nothing of what attach remembers outside of the XML. */
  forget(): void {
    for (const path of [...this.memory.entries.keys()]) {
      if (path.includes('/domains/')) this.memory.entries.delete(path);
    }
  }

  async vm(...args: string[]): Promise<Edited> {
    let failure: string | undefined;
    let known = true;
    const context = this.#desk.context([], []);
    const fail = (error: unknown): Promise<void> => {
      ({ line: failure } = describeError(error));
      known = error instanceof Error && 'code' in error && error.constructor.name === 'VhostHostError';
      return Promise.resolve();
    };
    const console = { ...context.console, fail };
    const all = ['vm', ...args, '--file', FILE, '--yes', '--run-dir', '/run/none'];
    await runCli(all, { ...context, console });
    return { failure, known };
  }
}
