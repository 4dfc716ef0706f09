/** What one kind of check has found: how often what happened, and what went wrong where. */
export class Report {
  readonly #counts = new Map<string, number>();
  /** By reason: refusals are right answers, and a reason that comes up often is worth a look. */
  readonly #refusals = new Map<string, number>();
  readonly faults: string[] = [];

  constructor(readonly kind: string) {}

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  refuse(line: string): void {
    this.count('refused');
    // Names and numbers differ from file to file.
    const reason = line
      .replace(/^[\w.-]+ (?=has )/, '… ')
      .replaceAll(/"[^"]*"|(?:[\da-f]{2}:){5}[\da-f]{2}|\/[\w./-]+|\b\d+\b/g, '…');
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  fault(file: string, what: string): void {
    this.faults.push(`${this.kind} ${file}: ${what}`);
  }

  /** The faults, the reasons of refusals and, last, the sum. */
  lines(): string[] {
    const refusals = [...this.#refusals].sort(([, a], [, b]) => b - a);
    const counts = [...this.#counts].map(([what, count]) => `${count} ${what}`);
    return [
      ...this.faults.map((fault) => `FAULT ${fault}`),
      ...refusals.map(([reason, count]) => `  ${this.kind} refused ${count} times: ${reason}`),
      `${this.kind}: ${[...counts, `${this.faults.length} faults`].join(', ')}`,
    ];
  }
}

/** An answer that a person can do something with is one line of some length. */
export function isClear(line: string): boolean {
  return line.length > 10 && !/\n|undefined|\[object|NaN|TypeError/.test(line);
}
