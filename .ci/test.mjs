#!/usr/bin/env node
// `npm test`: set-up, checks, and every test from native units to guests in QEMU. The last line tells the real counts.
//
//   npm test -- [--full] [STAGE...] [WORD...]   STAGE is one of native, unit, check, rates, integration, e2e, guests, machines,
//                                      fuzz; other words choose mocha tests by name (then only the mocha stages run unless named);
//                                      --full: also tests that take ten minutes and more
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { slowdown } from './lib/cpu-share.mjs';
import { main, root, say } from './lib/task.mjs';

/** Where only a share of the processors is ours, everything takes that much longer. */
const slower = slowdown();
const setUpLimitMs = 20 * 60_000 * slower;
const limitMs = 40 * 60_000 * slower;
/** After the limit a stage gets this long to take its guests down before it is killed. */
const graceMs = 15_000;

const npm = (script) => ['npm', ['run', '--silent', script]];
const mochaStages = ['unit', 'rates', 'integration', 'e2e', 'guests', 'machines'];
const stages = ['native', 'check', 'unit', 'rates', 'integration', 'e2e', 'guests', 'machines', 'fuzz'];

const running = new Set();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of running) child.kill(signal);
  });
}

/** Runs a command until it ends or `deadline` has come; true when it ended well. With `collect` it writes there. */
function runUntil(deadline, command, args, collect) {
  return new Promise((resolve) => {
    const output = collect === undefined ? 'inherit' : 'pipe';
    const child = spawn(command, args, { cwd: root, stdio: ['inherit', output, output] });
    running.add(child);
    child.stdout?.on('data', (chunk) => collect.push(chunk));
    child.stderr?.on('data', (chunk) => collect.push(chunk));
    let killer;
    const limit = setTimeout(
      () => {
        say(`test: time limit reached, ending ${command} ${args[0]}`);
        child.kill('SIGTERM');
        killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      },
      Math.max(0, deadline - Date.now()),
    );
    const finish = (ok) => {
      clearTimeout(limit);
      clearTimeout(killer);
      running.delete(child);
      resolve(ok);
    };
    child.on('error', (error) => {
      say(`test: ${command}: ${error.message}`);
      finish(false);
    });
    child.on('close', (code) => finish(code === 0));
  });
}

/** A stage that ends badly counts as a failure even where it has no failed test to show. */
function resultOf(ok, counts) {
  const { passed, failed, skipped } = counts ?? { passed: ok ? 1 : 0, failed: 0, skipped: 0 };
  return { passed, failed: ok ? failed : Math.max(1, failed), skipped };
}

/** The native tests run once per build (sanitizers); each run leaves a line "N passed, N failed". */
async function runNative(deadline) {
  const results = join(root, 'native/build/test/results');
  rmSync(results, { force: true });
  const ok = await runUntil(deadline, 'make', ['-C', 'native/test', 'check']);
  if (!existsSync(results)) return resultOf(ok);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed] of readFileSync(results, 'utf8').matchAll(/^(\d+) passed, (\d+) failed/gm)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
  }
  return resultOf(ok, counts);
}

async function runMocha(stage, words, deadline, collect) {
  const output = join(root, 'build/results', `${stage}.json`);
  rmSync(output, { force: true });
  const filter = words.length === 0 ? [] : ['--grep', words.join(' ')];
  const args = ['--reporter', '.ci/mocha-reporter.cjs', '--reporter-option', `output=${output}`, ...filter];
  const mocha = ['node_modules/mocha/bin/mocha.js', ...args, `build/test/${stage}/**/*.test.js`];
  const ok = await runUntil(deadline, process.execPath, mocha, collect);
  return resultOf(ok, existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')) : undefined);
}

const commands = {
  check: npm('check'),
  fuzz: ['make', ['-s', '-C', 'native/fuzz', 'short']],
};

async function runStage(stage, words, deadline, collect) {
  if (stage === 'native') return runNative(deadline);
  if (stage in commands) return resultOf(await runUntil(deadline, ...commands[stage], collect));
  return runMocha(stage, words, deadline, collect);
}

/**
 * Stages that run beside the others, and from which on; those from the same one on run one after the other. Their output
 * waits for its turn. Emulated machines, and the guests of `guests`, take none of this one's hugepages, so tests that
 * count those are not disturbed; `e2e` mostly waits and leaves processors to two others. What compares rates has the
 * machine for itself: by its turn, `check` and `unit` have ended.
 */
const besides = {
  check: 'native',
  unit: 'native',
  machines: 'integration',
  guests: 'e2e',
  fuzz: 'e2e',
};

/** For each stage that others run beside from it on: the end of the last of those. */
const besideEnds = new Map();

/** Return: what waits for the end, shows the output and tells the result. */
function startBeside(stage, words, deadline) {
  const output = [];
  const before = besideEnds.get(besides[stage]) ?? Promise.resolve();
  const end = before.then(() => (interrupted ? resultOf(false) : runStage(stage, words, deadline, output)));
  besideEnds.set(besides[stage], end);
  return async () => {
    const result = await end;
    for (const chunk of output) process.stderr.write(chunk);
    return result;
  };
}

function chosenStages(named, words) {
  if (named.length > 0) return stages.filter((stage) => named.includes(stage));
  return words.length > 0 ? mochaStages : stages;
}

await main('test', async () => {
  const given = process.argv.slice(2);
  const args = given.filter((arg) => arg !== '--full');
  if (args.length < given.length) process.env.VHOST_HOST_TEST_FULL = '1';
  const words = args.filter((arg) => !stages.includes(arg));
  const chosen = chosenStages(
    args.filter((arg) => stages.includes(arg)),
    words,
  );
  // Set-up first and outside of the limit: it may have to download.
  if (!(await runUntil(Date.now() + setUpLimitMs, process.execPath, ['.ci/prepare.mjs']))) {
    process.exitCode = 1;
    return;
  }
  mkdirSync(join(root, 'build/results'), { recursive: true });
  // For downloads, which are done. Every Node process would read it at its start, and tests start hundreds.
  delete process.env.NODE_EXTRA_CA_CERTS;
  // Read by test/helpers/until.ts.
  process.env.VHOST_HOST_TEST_SLOWDOWN = String(slower);
  const deadline = Date.now() + limitMs;
  const total = { passed: 0, failed: 0, skipped: 0 };
  const beside = new Map();
  for (const stage of chosen) {
    if (interrupted) break;
    const due = chosen.filter((other) => stages.indexOf(besides[other]) <= stages.indexOf(stage) && other in besides);
    for (const other of due) {
      if (!beside.has(other) && other !== stage) beside.set(other, startBeside(other, words, deadline));
    }
    say(`\n== ${stage}`);
    const result = (await beside.get(stage)?.()) ?? (await runStage(stage, words, deadline));
    for (const key of Object.keys(total)) total[key] += result[key];
  }
  if (interrupted || total.failed > 0 || total.passed === 0) process.exitCode = 1;
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
});
