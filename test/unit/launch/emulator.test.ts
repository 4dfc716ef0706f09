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

    it('a link to it that names an architecture is for that one, also for probes', async () => {
      const bin = join(pkg.root, 'arch');
      mkdirSync(bin);
      const env = { PATH: `${bin}:/usr/bin:/bin`, VHOST_HOST_EMULATOR: '' };
      const arm = join(bin, 'qemu-system-aarch64');
      linkSync(pkg.emulator, arm);
      const probe = ['-S', '-machine', 'none,accel=tcg', '-daemonize'];
      for (const name of ['qemu-wrap-aarch64', 'qemu-system-aarch64']) {
        const link = join(pkg.root, name);
        symlinkSync(pkg.wrapper, link);
        deepEqual(textsOf(await pkg.run(probe, env, [], link)), [arm, ...probe]);
      }
    });

    it('knows a machine type of several architectures by its processor', async () => {
      const bin = join(pkg.root, 'virt');
      mkdirSync(bin);
      const env = { PATH: `${bin}:/usr/bin:/bin`, VHOST_HOST_EMULATOR: '' };
      for (const architecture of ['aarch64', 'riscv64']) {
        const path = join(bin, `qemu-system-${architecture}`);
        linkSync(pkg.emulator, path);
      }
      const chosen = async (...args: string[]): Promise<string | undefined> =>
        textsOf(await pkg.run(args, env))[0]
          ?.split('-')
          .at(-1);
      equal(await chosen('-machine', 'virt-7.2,usb=off', '-cpu', 'cortex-a57'), 'aarch64');
      equal(await chosen('-cpu', 'rv64', '--machine', 'type=virt'), 'riscv64');
    });

    it('the configuration of single domains leaves calls alone that it does not concern', async () => {
      pkg.usePlanner('process.exitCode = 1;');
      const quiet = { domains: { web: { hugepages: 'on', vhostOptions: ['}', '"'] }, db: {} }, emulator: pkg.emulator };
      writeFileSync(pkg.config, JSON.stringify(quiet, undefined, 1));
      deepEqual(textsOf(await pkg.run(['-S'], { VHOST_HOST_EMULATOR: '' })), [pkg.emulator, '-S']);
      const { report } = await pkg.run(['-S'], { VHOST_HOST_WRAP_OPTIONS: '["-S"]' });
      equal(report, undefined);
      writeFileSync(pkg.config, JSON.stringify({ domains: { web: { options: ['-S'] } } }));
      equal((await pkg.run(['-S'])).report, undefined);
    });

    it('the section of a domain is found by its name and by its UUID, and refuses what is misspelt', async () => {
      const uuid = '00000000-0000-4000-8000-0000000000AB';
      const domains = { web: { options: ['-msg', 'timestamp=on'] }, [uuid]: { options: ['-no-hpet'] } };
      writeFileSync(pkg.config, JSON.stringify({ domains }));
      const plain = ['-name', 'guest=db', '-S'];
      deepEqual(textsOf(await pkg.run(plain)).slice(1), plain);
      const web = ['-name', 'guest=web,debug-threads=on'];
      deepEqual(textsOf(await pkg.run(web)).slice(1), [...web, '-msg', 'timestamp=on']);
      const numbered = [...web, '-uuid', uuid.toLowerCase()];
      deepEqual(textsOf(await pkg.run(numbered)).slice(1), [...numbered, '-no-hpet']);
      for (const section of [{ optoins: [] }, { emulator: '/bin/true' }]) {
        writeFileSync(pkg.config, JSON.stringify({ domains: { web: section } }));
        const outcome = await pkg.run(plain);
        deepEqual([outcome.code, outcome.report], [1, undefined]);
        match(outcome.stderr, /domain "web": .*(did you mean "options"|cannot differ between domains)/);
      }
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
