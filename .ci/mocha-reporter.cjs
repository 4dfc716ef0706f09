// Prints as mocha's spec reporter does and leaves the counts where test.mjs reads them: the summary of `npm test` is
// computed from these, never from printed text.
const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

class Recorder extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(
        options.reporterOptions.output,
        JSON.stringify({ passed: passes, failed: failures, skipped: pending }),
      );
    });
  }
}

module.exports = Recorder;
