import { messageOf, printable } from '../../common/errors.js';
import { logPath } from '../run-dir/paths.js';
import type { Settings } from '../config/settings.js';
import type { NativeBinding } from '../addon/native.js';
import type { Host } from '../../host/host.js';

export interface LogFileParts {
  readonly host: Host;
  readonly binding: Pick<NativeBinding, 'logTo'>;
  readonly settings: Pick<Settings, 'runDir' | 'logMaxBytes' | 'logFiles'>;
  readonly log: (line: string) => void;
}

/** The log of a switch in the background: stdout and stderr of this process. It has a bound, and makes way for a new one. */
export class LogFile {
  readonly #parts: LogFileParts;
  readonly #path: string;
  /** Which file is written to, whatever has its name by now. */
  #file: string | undefined;
  /** The failure that was said last. */
  #failed = '';

  private constructor(parts: LogFileParts) {
    this.#parts = parts;
    this.#path = logPath(parts.settings.runDir);
  }

  /** The one that the process was started with. */
  static async of(parts: LogFileParts): Promise<LogFile> {
    const self = new LogFile(parts);
    self.#file = await parts.host.identity(self.#path);
    return self;
  }

  /** Writes to the file that has the name now; somebody may have moved the other away. */
  async reopen(why: string): Promise<void> {
    await this.#guarded(async () => {
      await this.#open();
      this.#parts.log(`log opened anew: ${why}`);
    });
  }

  /** Every now and then: a file that is gone is made anew, one that is full is put aside. */
  async tend(): Promise<void> {
    const { host, settings } = this.#parts;
    const named = await host.stat(this.#path);
    if (named === undefined) await this.reopen('the file was gone');
    // A start that was refused has written there, say.
    else if ((await host.identity(this.#path)) !== this.#file) await this.reopen('another file has its name');
    else if (named.size >= settings.logMaxBytes) await this.#guarded(() => this.#rotate());
  }

  async #open(): Promise<void> {
    this.#parts.binding.logTo(this.#path);
    this.#file = await this.#parts.host.identity(this.#path);
  }

  async #rotate(): Promise<void> {
    const { host, settings, log } = this.#parts;
    const old = (n: number): string => (n === 0 ? this.#path : `${this.#path}.${n}`);
    for (let n = settings.logFiles; n > 0; n--) {
      if ((await host.lstat(old(n - 1))) !== undefined) await host.rename(old(n - 1), old(n));
    }
    if (settings.logFiles === 0) await host.unlink(this.#path);
    await this.#open();
    log(`the log had ${Math.round(settings.logMaxBytes / 1024)} KiB: a new one begins`);
  }

  /** A log that cannot be changed goes on as it is; that is said once. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#failed = '';
    } catch (error) {
      const reason = printable(messageOf(error));
      if (reason !== this.#failed) this.#parts.log(`the log stays as it is: ${reason}`);
      this.#failed = reason;
    }
  }
}
