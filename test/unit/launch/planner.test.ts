import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GUEST, TestPackage, VARIANTS, isAlive, textsOf } from './package.js';

for (const [variant, flags] of Object.entries(VARIANTS)) {
  describe(`how the launcher runs the planner, ${variant}`, function () {
    this.timeout(20_000);
    let pkg: TestPackage;

    before(function () {
      this.timeout(60_000);
      pkg = new TestPackage(flags);
    });
    afterEach(() => pkg.reset());
    after(() => pkg.remove());

    it('a planner whose plan is there is not waited for, and does not outlive it', async () => {
      const pidFile = join(pkg.root, 'planner-pid');
      pkg.usePlanner(`
        const fs = require('node:fs');
        fs.writeFileSync('${pidFile}', String(process.pid));
        for (const part of ['vhost-host pl', 'an 1\\0a-S\\0', '.', '\\0']) fs.writeSync(1, part);
        setInterval(() => undefined, 1000);`);
      const outcome = await pkg.run(GUEST);
      deepEqual([outcome.code, outcome.stderr, textsOf(outcome)], [0, '', [pkg.emulator, '-S']]);
      ok(!isAlive(readFileSync(pidFile, 'utf8')));
    });

    it('keeps variables for other Node programs from the planner, and nothing from the emulator', async () => {
      const spy = join(pkg.root, 'spy.cjs');
      writeFileSync(spy, "require('node:fs').appendFileSync(__filename, '//');");
      const found = "Object.keys(process.env).filter((name) => name.startsWith('NODE')).join()";
      pkg.usePlanner(`process.stdout.write('vhost-host plan 1\\0a' + ${found} + '\\0.\\0');`);
      const env = {
        NODE_OPTIONS: `--require ${spy}`,
        NODE_EXTRA_CA_CERTS: '/none',
        NODE_V8_COVERAGE: pkg.root,
        NODELESS: '',
      };
      deepEqual(textsOf(await pkg.run(GUEST, env)).slice(1), ['NODELESS']);
      equal(readFileSync(spy, 'utf8').endsWith('//'), false);
      const emulator = join(pkg.root, 'env');
      writeFileSync(emulator, '#!/bin/sh\nexec env\n', { mode: 0o755 });
      const { stdout } = await pkg.run(GUEST, { ...env, VHOST_HOST_EMULATOR: emulator });
      for (const [name, value] of Object.entries(env)) ok(stdout.includes(`${name}=${value}\n`), name);
    });

    it('has Node run it as at build time, so that V8 takes the code that was made then', async () => {
      const bundle = join(resolve('build'), 'bundle', 'cli');
      const code = readdirSync(bundle).find((name) => name.endsWith(`-${process.version}-${process.arch}.code`));
      pkg.usePlanner(`
        const [fs, vm] = [require('node:fs'), require('node:vm')];
        const source = \`(function(require,__filename){\${fs.readFileSync('${bundle}/wrap-plan.js', 'utf8')}\\n})\`;
        const cachedData = fs.readFileSync('${bundle}/${code}');
        const script = new vm.Script(source, { filename: '${bundle}/wrap-plan.js', cachedData });
        process.stdout.write('vhost-host plan 1\\0a' + script.cachedDataRejected + '\\0.\\0');`);
      deepEqual(textsOf(await pkg.run(GUEST)).slice(1), ['false']);
    });
  });
}
