#!/usr/bin/env node
// `npm run test:trixie`: the demo and every test in Debian 13, on this machine's kernel and processors.
//
//   npm run test:trixie -- [--fresh] [--keep] [ARGUMENT...]
//     --fresh      makes the system anew; else packages that an earlier run installed are there already
//     --keep       what an earlier run built is kept, only sources are renewed
//     ARGUMENT...  `demo`: the demo alone; others are those of `npm test`, which runs alone then
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { clearTimeout, setTimeout } from 'node:timers';
import { accessSettings } from './lib/access.mjs';
import { ensureRoot, home, renewSources } from './lib/debian13.mjs';
import { ensurePackages } from './lib/packages.mjs';
import { TaskError, main, root } from './lib/task.mjs';

/** `npm test` takes its guests down within 15 seconds of a signal; what is left then goes with its namespaces. */
const graceMs = 30_000;

/**
 * Runs a command in the system, in mount, process and IPC namespaces of its own: whatever ends, and however it does,
 * the kernel takes mounts and processes down with the first process. Return: whether the command ended well.
 */
function runInside(env, command) {
  // Also when this process is killed.
  const own = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--ipc', '--fork', '--kill-child'];
  // A process group of its own, so that a signal to this process alone reaches those in there, once.
  const child = spawn('setpriv', [...own, 'sh', '.ci/lib/debian13-init', home, ...command], {
    cwd: root,
    env,
    stdio: 'inherit',
    detached: true,
  });
  let killer;
  const end = (signal) => {
    process.kill(-child.pid, signal);
    // unshare itself and the first process do not listen to others.
    killer ??= setTimeout(() => process.kill(-child.pid, 'SIGKILL'), graceMs);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, end);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new TaskError(`setpriv: ${error.message}`, 'apt-get install util-linux')));
    child.on('close', (code) => {
      clearTimeout(killer);
      for (const signal of signals) process.removeListener(signal, end);
      resolve(killer === undefined && code === 0);
    });
  });
}

await main('test:trixie', async () => {
  const given = process.argv.slice(2);
  const args = given.filter((arg) => arg !== '--fresh' && arg !== '--keep');
  if (process.getuid() !== 0) throw new TaskError('a system of its own needs root', 'sudo npm run test:trixie');
  await ensurePackages(['trixie']);
  if (given.includes('--fresh')) rmSync(home, { recursive: true, force: true });
  const env = await accessSettings();
  await ensureRoot((...command) => runInside(env, command));
  renewSources({ keep: given.includes('--keep') });
  const demo = ['npm', 'run', '--silent', 'demo'];
  const test = ['.ci/run'];
  const commands = args.length === 0 ? [demo, test] : [args[0] === 'demo' ? demo : ['npm', 'test', '--', ...args]];
  for (const command of commands) {
    if (await runInside(env, command)) continue;
    process.exitCode = 1;
    return;
  }
});
