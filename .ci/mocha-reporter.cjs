// Prints as mocha's spec reporter does, with the files that took longest at the end, and leaves the counts where
// test.mjs reads them: the summary of `npm test` is computed from these, never from printed text.
const { writeFileSync } = require('node:fs');
const { basename } = require('node:path');
const { reporters, Runner } = require('mocha');

const { EVENT_HOOK_END, EVENT_RUN_END, EVENT_TEST_END } = Runner.constants;
const shownFiles = 5;

class Recorder extends reporters.Spec {
  #msOf = new Map();

  constructor(runner, options) {
    super(runner, options);
    for (const event of [EVENT_HOOK_END, EVENT_TEST_END]) runner.on(event, (part) => this.#addTime(part));
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(
        options.reporterOptions.output,
        JSON.stringify({ passed: passes, failed: failures, skipped: pending }),
      );
      this.#showSlowest();
    });
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
