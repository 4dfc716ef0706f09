#!/usr/bin/env node
// `npm test`: set-up, checks, and every test from native units to guests in QEMU. The last line tells the real counts.
//
//   npm test -- [--full] [STAGE...] [WORD...]   STAGE is one of native, unit, check, fuzz, rates, integration, e2e, guests,
//                                      machines; other words choose mocha tests by name (then only the mocha stages run unless named);
//                                      --full: also tests that take ten minutes and more
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { slowdown } from './lib/cpu-share.mjs';
import { failuresIn } from './lib/failures.mjs';
import { main, root, say } from './lib/task.mjs';

/** Where only a share of the processors is ours, everything takes that much longer. */
const slower = slowdown();
const setUpLimitMs = 20 * 60_000 * slower;
const limitMs = 40 * 60_000 * slower;
/** After the limit a stage gets this long to take its guests down before it is killed. */
const graceMs = 15_000;

const npm = (script) => ['npm', ['run', '--silent', script]];
const mochaStages = ['unit', 'rates', 'integration', 'e2e', 'guests', 'machines'];
const stages = ['native', 'check', 'unit', 'fuzz', 'rates', 'integration', 'e2e', 'guests', 'machines'];

const running = new Set();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of running) child.kill(signal);
  });
}

/** Runs a command until it ends or `deadline` has come; true when it ended well. With `take` what it writes goes there. */
function runUntil(deadline, command, args, take) {
  return new Promise((resolve) => {
    const output = take === undefined ? 'inherit' : 'pipe';
    const child = spawn(command, args, { cwd: root, stdio: ['inherit', output, output] });
    running.add(child);
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
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
function resultOf(ok, counts, failures = []) {
  const { passed, failed, skipped } = counts ?? { passed: ok ? 1 : 0, failed: 0, skipped: 0 };
  return { passed, failed: ok ? failed : Math.max(1, failed), skipped, failures: ok ? [] : failures };
}

/** Runs what is no mocha. Return: [whether it ended well, its failures]; `show` gets all that it writes as it comes. */
async function runShown(deadline, [command, args], show) {
  const output = [];
  const ok = await runUntil(deadline, command, args, (chunk) => {
    output.push(chunk);
    show(chunk);
  });
  return [ok, ok ? [] : failuresIn(Buffer.concat(output).toString())];
}

/** The native tests run once per build (sanitizers); each run leaves a line "N passed, N failed". */
async function runNative(deadline, show) {
  const results = join(root, 'native/build/test/results');
  rmSync(results, { force: true });
  const [ok, failures] = await runShown(deadline, ['make', ['-C', 'native/test', 'check']], show);
  if (!existsSync(results)) return resultOf(ok, undefined, failures);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed] of readFileSync(results, 'utf8').matchAll(/^(\d+) passed, (\d+) failed/gm)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
  }
  return resultOf(ok, counts, failures);
}

async function runMocha(stage, words, deadline, take) {
  const output = join(root, 'build/results', `${stage}.json`);
  rmSync(output, { force: true });
  const filter = words.length === 0 ? [] : ['--grep', words.join(' ')];
  const args = ['--reporter', '.ci/mocha-reporter.cjs', '--reporter-option', `output=${output}`, ...filter];
  const mocha = ['node_modules/mocha/bin/mocha.js', ...args, `build/test/${stage}/**/*.test.js`];
  const ok = await runUntil(deadline, process.execPath, mocha, take);
  if (!existsSync(output)) return resultOf(ok, undefined, ['mocha did not come to its end']);
  const counts = JSON.parse(readFileSync(output, 'utf8'));
  return resultOf(ok, counts, counts.failures);
}

const commands = {
  check: npm('check'),
  fuzz: ['make', ['-s', '-C', 'native/fuzz', 'short']],
};

/** `take`: gets the output of a stage whose turn has not come; without it, it is shown as it comes. */
async function runStage(stage, words, deadline, take) {
  const show = take ?? ((chunk) => process.stderr.write(chunk));
  if (stage === 'native') return runNative(deadline, show);
  if (!(stage in commands)) return runMocha(stage, words, deadline, take);
  const [ok, failures] = await runShown(deadline, commands[stage], show);
  return resultOf(ok, undefined, failures);
}

/**
 * Stages that run beside the others, and from which on; those from the same one on run one after the other. Their output
 * waits for its turn. Emulated machines, and the guests of `guests`, take none of this one's hugepages, so tests that
 * count those are not disturbed; `e2e` mostly waits and leaves processors to two others. `native` has one processor to
 * itself for as long as what is beside it takes together. What compares rates has the machine for itself: by its turn,
 * all of those have ended.
 */
const besides = {
  check: 'native',
  unit: 'native',
  fuzz: 'native',
  machines: 'integration',
  guests: 'e2e',
};

/** For each stage that others run beside from it on: the end of the last of those. */
const besideEnds = new Map();

/** Return: what waits for the end, shows the output and tells the result. */
function startBeside(stage, words, deadline) {
  const output = [];
  const before = besideEnds.get(besides[stage]) ?? Promise.resolve();
  const end = before.then(() =>
    interrupted ? resultOf(false) : runStage(stage, words, deadline, (chunk) => output.push(chunk)),
  );
  besideEnds.set(besides[stage], end);
  return async () => {
    const result = await end;
    for (const chunk of output) process.stderr.write(chunk);
    return result;
  };
}

/** Once more at the very end, since a log may be kept by its last lines only. */
function showFailures(failures) {
  if (failures.length === 0) return;
  say('\n== failed');
  for (const failure of failures) say(failure);
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
  const failures = [];
  const beside = new Map();
  for (const stage of chosen) {
    if (interrupted) break;
    for (const other of chosen) {
      const due = other in besides && stages.indexOf(besides[other]) <= stages.indexOf(stage);
      if (due && other !== stage && !beside.has(other)) beside.set(other, startBeside(other, words, deadline));
    }
    say(`\n== ${stage}`);
    const result = (await beside.get(stage)?.()) ?? (await runStage(stage, words, deadline));
    for (const key of Object.keys(total)) total[key] += result[key];
    failures.push(...result.failures.map((failure) => `${stage}: ${failure}`));
  }
  if (interrupted || total.failed > 0 || total.passed === 0) process.exitCode = 1;
  showFailures(failures);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
});
