import type { Duplex } from 'node:stream';
import { createInterface } from 'node:readline';
import { within } from '../until.js';

const ANSWER_DEADLINE_MS = 20_000;

interface Message {
  readonly QMP?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** QEMU's monitor protocol over a connection that is there already. */
export class Qmp {
  private readonly lines: AsyncIterator<string, undefined>;

  private constructor(private readonly stream: Duplex) {
    this.lines = createInterface({ input: stream })[Symbol.asyncIterator]();
  }

  static async greet(stream: Duplex): Promise<Qmp> {
    const qmp = new Qmp(stream);
    await qmp.message((message) => message.QMP !== undefined);
    await qmp.run('qmp_capabilities');
    return qmp;
  }

  /** The answer to one command; events in between are left out. */
  async run(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.stream.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    const answer = await this.message((message) => message.return !== undefined || message.error !== undefined);
    if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`);
    return answer.return;
  }

  private message(wanted: (message: Message) => boolean): Promise<Message> {
    const read = async (): Promise<Message> => {
      for (;;) {
        const next = await this.lines.next();
        if (next.done === true) throw new Error('QEMU closed its monitor');
        const message = JSON.parse(next.value) as Message;
        if (wanted(message)) return message;
      }
    };
    return within(read(), { deadline: ANSWER_DEADLINE_MS, what: "QEMU's answer" });
  }
}
