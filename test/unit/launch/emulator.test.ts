import { deepEqual, equal, match } from 'node:assert/strict';
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestPackage, VARIANTS, textsOf } from './package.js';

for (const [variant, flags] of Object.entries(VARIANTS)) {
  describe(`which emulator the launcher runs, ${variant}`, function () {
    this.timeout(20_000);
    let pkg: TestPackage;

    before(function () {
      this.timeout(60_000);
      pkg = new TestPackage(flags);
    });
    afterEach(() => pkg.reset());
    after(() => pkg.remove());

    it('configured to run itself, it refuses, by whatever name', async () => {
      const link = join(pkg.root, 'link-to-wrapper');
      const launcher = pkg.launcher;
      symlinkSync(pkg.wrapper, link);
      for (const emulator of [pkg.wrapper, link, launcher]) {
        const outcome = await pkg.run(['-S'], { VHOST_HOST_EMULATOR: emulator });
        match(outcome.stderr, /^qemu-wrap: the emulator .* in VHOST_HOST_EMULATOR is qemu-wrap itself\n/);
        equal(outcome.code, 1);
      }
      const shim = pkg.script(`exec ${pkg.wrapper} "$@"`);
      match((await pkg.run(['-S'], { VHOST_HOST_EMULATOR: shim })).stderr, /the emulator that was found leads back to/);
    });

    it('refuses emulators that are none', async () => {
      const refused = async (emulator: string): Promise<string> =>
        (await pkg.run(['-S'], { VHOST_HOST_EMULATOR: emulator })).stderr;
      match(await refused('qemu'), /is not an absolute path/);
      match(await refused('/nonexistent'), /is not a program/);
      match(await refused(pkg.config), /is not a program/);
    });

    it('the configuration names the emulator; an oddly written file is told to be so', async () => {
      const env = { VHOST_HOST_EMULATOR: '' };
      writeFileSync(pkg.config, JSON.stringify({ vhostOptions: ['{', '\\'], emulator: pkg.emulator }, undefined, 2));
      pkg.usePlanner('process.exitCode = 1;');
      deepEqual(textsOf(await pkg.run(['-S'], env)), [pkg.emulator, '-S']);
      pkg.reset();
      for (const [text, reason] of [
        ['{"emulator":', /not JSON/],
        ['{"emulator":3}', /"emulator" must be an absolute path/],
        ['{"emulater":"/x"}', /unknown key "emulater"/],
        ['{"emulator":"\\u002fx"}', /written with escapes/],
      ] as const) {
        writeFileSync(pkg.config, text);
        const outcome = await pkg.run(['-S'], {
          ...env,
          ...(text.includes('emulater') ? { VHOST_HOST_EMULATOR: pkg.emulator } : {}),
        });
        match(outcome.stderr, reason);
        deepEqual([outcome.code, outcome.stdout, outcome.report], [1, '', undefined]);
      }
    });

    it('options for all guests reach guests that have no vhost netdev, too', async () => {
      writeFileSync(pkg.config, '{"options":["-msg","timestamp=on"]}');
      deepEqual(textsOf(await pkg.run(['-S'])).slice(1), ['-S', '-msg', 'timestamp=on']);
    });

    it('a configuration file that was named must be there', async () => {
      const { stderr } = await pkg.run(['-S'], { VHOST_HOST_WRAP_CONFIG: join(pkg.root, 'none') });
      match(stderr, /none cannot be read: ENOENT/);
    });

    it('looks for the emulator of the machine in PATH, then beside itself, but never takes itself', async () => {
      const bin = join(pkg.root, 'path');
      mkdirSync(bin);
      const env = { PATH: bin, VHOST_HOST_EMULATOR: '' };
      const [pc, s390] = [join(bin, 'qemu-system-x86_64'), join(pkg.root, 'bin', 'qemu-system-s390x')];
      linkSync(pkg.wrapper, join(bin, 'qemu-system-s390x'));
      for (const path of [pc, s390]) linkSync(pkg.emulator, path);
      const wrapped = { ...env, PATH: `${bin}:/usr/bin:/bin` };
      equal(textsOf(await pkg.run(['-machine', 'pc-q35-7.2,usb=off'], wrapped))[0], pc);
      equal(textsOf(await pkg.run(['-M', 'type=s390-ccw-virtio'], wrapped))[0], s390);
      const missing = await pkg.run(['-machine', 'pseries'], wrapped);
      equal(missing.code, 1);
      match(
        missing.stderr,
        /^qemu-wrap: no QEMU emulator was found; tried .*\/path\/qemu-system-ppc64, .*\n {2}install QEMU/,
      );
    });

    it('says when it is not built', async () => {
      const launcher = pkg.launcher;
      chmodSync(launcher, 0o644);
      const outcome = await pkg.run(['-S']);
      chmodSync(launcher, 0o755);
      equal(outcome.code, 1);
      match(outcome.stderr, /^qemu-wrap: the launcher .* is not built\n {2}npm install && npm run build\n$/);
    });
  });
}
