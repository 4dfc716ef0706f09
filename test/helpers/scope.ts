type Undo = () => void | Promise<void>;

const open = new Set<Scope>();

/**
 * Everything a test makes, with how to unmake it. `close` runs the undos in reverse order, all of them even when one
 * fails. Scopes that are still open when the process is told to end are closed first.
 */
export class Scope {
  #undos: { what: string; undo: Undo }[] = [];
  #closing: Promise<void> | undefined;

  constructor() {
    open.add(this);
  }

  /** Registers an undo. The returned function takes it back, for what has been unmade already. */
  defer(what: string, undo: Undo): () => void {
    const entry = { what, undo };
    this.#undos.push(entry);
    return () => {
      this.#undos = this.#undos.filter((other) => other !== entry);
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#unwind().finally(() => {
      this.#closing = undefined;
      if (this.#undos.length === 0) open.delete(this);
    });
    return this.#closing;
  }

  async #unwind(): Promise<void> {
    const failures: unknown[] = [];
    for (let entry = this.#undos.pop(); entry !== undefined; entry = this.#undos.pop()) {
      try {
        await entry.undo();
      } catch (error) {
        failures.push(new Error(`cleaning up ${entry.what}: ${String(error)}`, { cause: error }));
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '));
  }
}

/** Runs `work` with a scope that is closed afterwards, however `work` ends. */
export async function withScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}

const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** On a signal: close every open scope, then end with the code a shell expects. */
function closeAllAndExit(code: number): void {
  void Promise.allSettled([...open].map((scope) => scope.close())).then((results) => {
    for (const result of results) {
      if (result.status === 'rejected') process.stderr.write(`${String(result.reason)}\n`);
    }
    process.exit(code);
  });
}

for (const [signal, code] of Object.entries(signals)) process.once(signal, () => closeAllAndExit(code));

/** For programs that print: when nobody reads any more (`| head`), they end as if they were told to. */
export function closeWithOutput(stream: NodeJS.WriteStream): void {
  stream.once('error', () => closeAllAndExit(1));
}
