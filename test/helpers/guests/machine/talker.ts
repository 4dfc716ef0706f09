import type { GuestShell } from '../guest-shell.js';
import { until } from '../../until.js';

const DEADLINE_MS = 20_000;

/** A guest inside of a machine that sends the frames it is told to, and keeps those it gets (frontend/talk.c). */
export class Talker {
  private constructor(
    private readonly shell: GuestShell,
    private readonly file: string,
    private readonly pid: string,
  ) {}

  /** lazy: its memory comes as it is used. */
  static async start(
    shell: GuestShell,
    name: string,
    socket: string,
    { offloads = false, lazy = false } = {},
  ): Promise<Talker> {
    const file = `/g/${name}`;
    const how = offloads ? 'offloads' : lazy ? 'lazy' : '';
    const pid = await shell.sh(
      `rm -f ${file}.in; mkfifo ${file}.in; talk ${socket} ${file}.in ${how} >${file}.out 2>&1 & echo $!`,
    );
    const self = new Talker(shell, file, pid.trim());
    await until(async () => (await self.lines())[0] === 'up', {
      deadline: DEADLINE_MS,
      what: `guest ${name} to be up`,
    });
    return self;
  }

  async send(...frames: readonly Buffer[]): Promise<void> {
    for (const frame of frames) {
      // The guest's terminal takes lines of up to 4096 characters.
      const parts = frame.toString('hex').match(/.{1,3000}/g) ?? [];
      for (const part of parts) await this.shell.sh(`echo -n ${part} >>${this.file}.line`);
      await this.shell.sh(`echo >>${this.file}.line; cat ${this.file}.line >${this.file}.in; rm ${this.file}.line`);
    }
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

  /** Whole ones: the end of what is written at this moment is left for the next time. */
  private async lines(): Promise<string[]> {
    return (await this.shell.sh(`cat ${this.file}.out`)).split('\n').slice(0, -1);
  }
}
