import type { GuestShell } from '../guest-shell.js';
import { until } from '../until.js';

const DEADLINE_MS = 20_000;

/** A guest inside of a machine that sends the frames it is told to, and keeps those it gets (frontend/talk.c). */
export class Talker {
  private constructor(
    private readonly shell: GuestShell,
    private readonly file: string,
    private readonly pid: string,
  ) {}

  /** lazy: its memory comes as it is used. */
  static async start(shell: GuestShell, name: string, socket: string, lazy = false): Promise<Talker> {
    const file = `/g/${name}`;
    const pid = await shell.sh(
      `rm -f ${file}.in; mkfifo ${file}.in; talk ${socket} ${file}.in ${lazy ? 'lazy' : ''} >${file}.out 2>&1 & echo $!`,
    );
    const self = new Talker(shell, file, pid.trim());
    await until(async () => (await self.lines())[0] === 'up', {
      deadline: DEADLINE_MS,
      what: `guest ${name} to be up`,
    });
    return self;
  }

  async send(...frames: readonly Buffer[]): Promise<void> {
    for (const frame of frames) await this.shell.sh(`echo ${frame.toString('hex')} >${this.file}.in`);
  }

  /** The same frame so many times, as fast as it can. */
  async repeat(count: number, frame: Buffer): Promise<void> {
    await this.shell.sh(`echo '${count}*${frame.toString('hex')}' >${this.file}.in`);
  }

  /** All frames that it has been given. */
  async heard(): Promise<Buffer[]> {
    return (await this.lines()).slice(1).map((line) => Buffer.from(line, 'hex'));
  }

  /** Waits until it has been given `count` frames; gives all that it has. */
  received(count: number): Promise<Buffer[]> {
    return until(
      async () => {
        const frames = await this.heard();
        return frames.length >= count && frames;
      },
      { deadline: DEADLINE_MS, what: `${count} frames at ${this.file}` },
    );
  }

  /** It is gone without a word, as a guest that was killed. */
  async end(): Promise<void> {
    await this.shell.sh(`kill -9 ${this.pid}`);
  }

  private async lines(): Promise<string[]> {
    return (await this.shell.sh(`cat ${this.file}.out`)).split('\n').filter((line) => line !== '');
  }
}
