import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { bridgeSocketPath } from '../../../src/switch/run-dir/paths.js';

/** What `native/cuse` would do at the other end of its line, without devices. */
export class FakeBridge {
  /** By name: how often it is open, its socket, and how it was requested. */
  readonly devices = new Map<string, { opens: number; socket: string; access: string }>();
  /** What came over the line. */
  readonly asked: string[] = [];
  /** Answers the next "add" instead of a device. */
  trouble: string | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((peer) => {
      peer.setEncoding('utf8').once('data', (line: string) => peer.end(this.#answer(line.trimEnd())));
    });
  }

  static async start(runDir: string): Promise<FakeBridge> {
    const bridge = new FakeBridge();
    await new Promise<void>((resolve) => bridge.#server.listen(bridgeSocketPath(runDir), resolve));
    return bridge;
  }

  /** A guest opens a device. */
  open(name: string): void {
    const device = this.devices.get(name);
    if (device !== undefined) device.opens++;
  }

  /** As if it had been killed and another one had started: nothing is left. */
  forget(): void {
    this.devices.clear();
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(line: string): string {
    this.asked.push(line);
    const [command = '', name = '', ...rest] = line.split(' ');
    if (command === 'list') {
      const lines = [...this.devices].map(([device, { opens, socket }]) => `${device} ${opens} ${socket}\n`);
      return `${lines.join('')}ok\n`;
    }
    if (command === 'add') return this.#add(name, rest);
    const gone = command === 'retire' ? [...this.devices.keys()] : [name];
    for (const device of gone) if (this.devices.get(device)?.opens === 0) this.devices.delete(device);
    return 'ok\n';
  }

  #add(name: string, [mode = '', uid = '', gid = '', socket = '']: string[]): string {
    if (this.trouble !== undefined) return `error ${this.trouble}\n`;
    const old = this.devices.get(name);
    if (old !== undefined && old.socket !== socket) return `error /dev/${name}: a guest still has it open\n`;
    this.devices.set(name, { opens: old?.opens ?? 0, socket, access: `${mode} ${uid} ${gid}` });
    return 'ok\n';
  }
}
