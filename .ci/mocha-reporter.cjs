// Prints as mocha's spec reporter does, with the files that took longest at the end, and leaves counts and failures where
// test.mjs reads them: the summary of `npm test` is computed from these, never from printed text. Where test.mjs says
// that only a share of the processors is ours, tests and hooks may take that much longer.
const { writeFileSync } = require('node:fs');
const { basename } = require('node:path');
const process = require('node:process');
const { reporters, Runner } = require('mocha');

const { EVENT_HOOK_BEGIN, EVENT_HOOK_END, EVENT_RUN_END, EVENT_TEST_BEGIN, EVENT_TEST_END, EVENT_TEST_FAIL } =
  Runner.constants;
const slower = Number(process.env.VHOST_HOST_TEST_SLOWDOWN ?? 1);
const shownFiles = 5;
/** Of what a failure says, in the summary: a daemon's whole log may be in it. */
const shownText = 2500;

function textOf(error) {
  const text = String(error?.stack ?? error);
  return text.length > shownText ? `${text.slice(0, shownText / 2)} [...] ${text.slice(-shownText / 2)}` : text;
}

class Recorder extends reporters.Spec {
  #msOf = new Map();
  #patient = new WeakSet();
  #failures = [];

  constructor(runner, options) {
    super(runner, options);
    for (const event of [EVENT_HOOK_BEGIN, EVENT_TEST_BEGIN]) runner.on(event, (part) => this.#givesTime(part));
    for (const event of [EVENT_HOOK_END, EVENT_TEST_END]) runner.on(event, (part) => this.#addTime(part));
    runner.on(EVENT_TEST_FAIL, (part, error) => this.#failures.push(`${part.fullTitle()}\n${textOf(error)}`));
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(
        options.reporterOptions.output,
        JSON.stringify({ passed: passes, failed: failures, skipped: pending, failures: this.#failures }),
      );
      this.#showSlowest();
    });
  }

  /** Once for each: a hook runs many times. */
  #givesTime(part) {
    if (this.#patient.has(part)) return;
    this.#patient.add(part);
    part.timeout(part.timeout() * slower);
  }

  #addTime({ file, duration = 0 }) {
    if (file !== undefined) this.#msOf.set(file, (this.#msOf.get(file) ?? 0) + duration);
  }

  #showSlowest() {
    const slowest = [...this.#msOf].sort(([, a], [, b]) => b - a).slice(0, shownFiles);
    const texts = slowest.map(([file, ms]) => `${basename(file, '.test.js')} ${Math.round(ms / 1000)} s`);
    reporters.Base.consoleLog(`longest: ${texts.join(', ')}`);
  }
}

module.exports = Recorder;
