import Mocha from 'mocha';

/** Runs the tests of this directory, as one file with mocha itself (test/helpers/bundle.ts); the report is JSON. */

const mocha = new Mocha({ bail: true, reporter: Mocha.reporters.JSON });
// The tests' own words (describe, it, …) become global.
mocha.suite.emit('pre-require', globalThis, '', mocha);
if (process.env.VHOST_HOST_TEST_FULL !== undefined) {
  await import('./linux.full.js');
  await import('./libvirt.full.js');
}
await import('./many.test.js');
// One switch for these, in this order.
await import('./cuse.test.js');
await import('./migration.test.js');
await import('./end.test.js');
mocha.run((failures) => (process.exitCode = Math.min(failures, 1)));
