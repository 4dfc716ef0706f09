import { Child } from '../child.js';
import { root } from '../paths.js';

/** How a shell script runs a command on a terminal of its own (`terminal.py`): as `terminal COLUMNS ROWS COMMAND…`. */
export const TERMINAL = `
terminal() { /usr/bin/python3 "${root}test/helpers/host/terminal.py" "$@"; }
`;

export const KEY = { enter: '\r', interrupt: '\x03', down: '\x1b[B' } as const;

/** What a program shows on its terminal, and somebody who types when asked. */
export class Typist {
  #seen = 0;

  constructor(private readonly child: Child) {}

  /** Waits for text that came after the last answer, then types. Marks of colour and cursor are looked through. */
  async answer(question: RegExp, keys: string): Promise<string> {
    const shown = await this.child.waitFor(question, { deadline: 30_000, from: this.#seen });
    this.#seen += (shown.index ?? 0) + shown[0].length;
    this.child.write(keys);
    return shown[0];
  }
}

/** Without the marks that move the cursor and set colours. */
export function plain(shown: string): string {
  // eslint-disable-next-line no-control-regex
  return shown.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '');
}
