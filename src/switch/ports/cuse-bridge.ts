import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import { asRoot } from '../rights.js';
import { bridgeSocketPath, logPath } from '../run-dir/paths.js';
import { clearDeadSocket } from '../run-dir/socket-record.js';
import type { Host } from '../../host/host.js';

/**
 * The devices /dev/<basename>-N, kept by a process of its own (`native/cuse/supervisor/supervisor.h` says why and describes the
 * line to it). It is started with the first device, outlives a switch that is killed, and is found again by the next.
 */

export interface DeviceSpec {
  /** Without /dev/. */
  readonly name: string;
  /** Of the port that is behind it. */
  readonly socket: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Device {
  readonly name: string;
  /** How often it is open. */
  readonly opens: number;
  readonly socket: string;
}

export interface Bridge {
  list(): Promise<readonly Device[]>;
  add(spec: DeviceSpec): Promise<void>;
  /** The device goes with its last client. */
  remove(name: string): Promise<void>;
  /** All go; a guest keeps the one that it has open. */
  retire(): Promise<void>;
}

/** More than the kernel takes to make a device, on a busy machine. */
const ANSWER_MS = 20_000;

/** A supervisor whose socket was removed makes it anew, within half a second (native/cuse/supervisor/supervisor_socket.h). */
const RENEWED_MS = 3000;
const LOOK_MS = 100;

/** Sends one line and gives all that comes back. */
function ask(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    let text = '';
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`nothing within ${ANSWER_MS / 1000} s`)));
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.once('connect', () => socket.write(`${line}\n`));
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
  });
}

function failed(host: Pick<Host, 'env'>, reason: string, cause?: unknown): VhostHostError {
  const closed = /^\/dev\/cuse: (?:Permission denied|Operation not permitted)/.test(reason);
  const otherwise = closed ? asRoot(host, ' --cuse') : 'vhost-host check';
  const hint = reason.includes('modprobe') ? 'sudo modprobe cuse' : otherwise;
  return new VhostHostError('PORT_FAILED', `the cuse bridge: ${printable(reason)}`, { hint, cause });
}

function parseDevice(line: string): Device {
  const [name = '', opens = '', ...socket] = line.split(' ');
  return { name, opens: Number(opens), socket: socket.join(' ') };
}

export function makeBridge(host: Host, runDir: string, program: string): Bridge {
  const path = bridgeSocketPath(runDir);

  /** Whether one has answered that was not told to end. */
  let known = false;

  /** The whole answer; undefined where no bridge runs. */
  async function reach(line: string): Promise<string | undefined> {
    for (let waited = 0; ; waited += LOOK_MS) {
      try {
        return await ask(path, line);
      } catch (error) {
        const reason = errnoOf(error);
        if (reason !== 'ENOENT' && reason !== 'ECONNREFUSED') throw failed(host, messageOf(error), error);
        // One that was killed leaves its socket; without that it may only have lost its name.
        if (reason === 'ECONNREFUSED' || !known || waited >= RENEWED_MS) {
          known = false;
          return undefined;
        }
      }
      await setTimeout(LOOK_MS);
    }
  }

  /** The answer's lines before its "ok"; undefined where no bridge runs. */
  async function tell(line: string): Promise<readonly string[] | undefined> {
    const answer = await reach(line);
    if (answer === undefined) return undefined;
    known = line !== 'retire';
    const lines = answer.trimEnd().split('\n');
    const last = lines.pop() ?? '';
    if (last === 'ok') return lines;
    throw failed(host, last === '' ? 'it ended without an answer' : last.replace(/^error /, ''));
  }

  async function start(): Promise<void> {
    await clearDeadSocket(host, path);
    const child = await host.spawnDetached(program, [path], logPath(runDir));
    const line = await child.firstLine;
    child.release();
    if (line !== 'ready') throw failed(host, `it ended while starting (see ${logPath(runDir)})`);
  }

  return {
    list: async () => ((await tell('list')) ?? []).map(parseDevice),
    async add({ name, socket, mode, uid, gid }) {
      const line = `add ${name} ${mode.toString(8)} ${uid} ${gid} ${socket}`;
      if ((await tell(line)) !== undefined) return;
      await start();
      if ((await tell(line)) === undefined) throw failed(host, 'it ended right after its start');
    },
    remove: async (name) => void (await tell(`remove ${name}`)),
    retire: async () => void (await tell('retire')),
  };
}
