import { close as closeDebugger, url as debuggerUrl } from 'node:inspector';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ask, confirm } from '../hostsetup/setup/prompts.js';
import { realHost } from '../host/node-host.js';
import { lookOf, makeConsole } from '../common/output.js';
import { loadBinding } from '../switch/addon/load-addon.js';
import { monotonicClock } from '../common/clock.js';
import { packageVersion } from '../common/package.js';
import type { CliContext } from './shared/context.js';
import { PROGRAM, runCli } from './program.js';

/** The composition root of `vhost-host`. */
const context: CliContext = {
  host: realHost,
  console: makeConsole(PROGRAM, process.stdout, process.stderr),
  look: await lookOf(process.stdout, process.env),
  clock: monotonicClock,
  version: packageVersion(),
  node: process.execPath,
  nodeVersion: process.version,
  script: fileURLToPath(import.meta.url),
  cwd: process.cwd(),
  interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  confirm,
  ask,
  loadBinding: () => loadBinding(realHost),
  onSignal: (signal, handler) => void process.on(signal, handler),
  closeDebugger: () => {
    if (debuggerUrl() !== undefined) closeDebugger();
  },
  makeFilesPrivate: () => void process.umask(0o077),
  writeLine: (descriptor, line) =>
    new Promise((resolve) => {
      const pipe = new Socket({ fd: descriptor, readable: false, writable: true });
      // Whoever waited may be gone; that is no reason not to run.
      pipe.once('error', () => resolve());
      pipe.end(`${line}\n`, () => resolve());
    }),
};

// A reader that has gone (`vhost-host ports | head`) or a full disk under the log must not end anything.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

process.exitCode = await runCli(process.argv.slice(2), context);
