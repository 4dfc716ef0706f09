import { deepEqual, equal, match, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { editCmdline } from '../../../../src/hostsetup/boot/cmdline.js';
import { sectionOf } from '../../../../src/hostsetup/boot/loaders/image.js';
import { detectBoot } from '../../../../src/hostsetup/boot/detect.js';
import { ownEntries, readLoader } from '../../../../src/hostsetup/boot/loaders/systemd-boot.js';
import { planKernelArguments } from '../../../../src/hostsetup/boot/plan.js';
import type { KernelArgsSpec } from '../../../../src/hostsetup/kernel/spec.js';
import { doSteps } from '../../../helpers/host/steps.js';
import { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { system } from './support.js';
import { peImage } from './pe-image.js';

const SPEC: KernelArgsSpec = { hugepages: { pools: [{ size: '1G', count: 8 }] } };
const UNIT = 'hugepagesz=1G hugepages=8';
const VARIABLE = '/sys/firmware/efi/efivars/NAME-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';

/** Attributes, then UTF-16. */
const efi = (text: string): string => `\u0007\0\0\0${[...text].map((char) => `${char}\0`).join('')}\0\0`;

function entries(names: Readonly<Record<string, string>>, conf = ''): MemoryHost {
  const memory = new MemoryHost({ '/etc/os-release': 'ID=arch\n', '/boot/loader/loader.conf': conf });
  for (const [name, text] of Object.entries(names)) memory.file(`/boot/loader/entries/${name}`, text);
  return memory;
}

const linux = (root: string, more = ''): string => `title x\nlinux /vmlinuz\n${more}options root=${root} rw\n`;

describe('systemd-boot: the entry that starts next', () => {
  const menu = { 'arch.conf': linux('A'), 'arch-lts.conf': linux('A'), 'zeta.conf': linux('Z') };
  const starts = async (memory: MemoryHost): Promise<string | undefined> =>
    (await readLoader(memory.host))?.boots?.path.replace('/boot/loader/entries/', '');

  const cases: readonly (readonly [string, string, string | undefined])[] = [
    ['the one that is named', 'default arch.conf\n', 'arch.conf'],
    ['of two lines the last', 'default zeta.conf\ntimeout 3\ndefault ARCH-lts.conf\n', 'arch-lts.conf'],
    ['a pattern', 'default arch-[kl]*\n', 'arch-lts.conf'],
    ['a name without its end is no name', 'default arch\n', 'zeta.conf'],
    ['nobody says: the first of the menu', '#default arch.conf\n', 'zeta.conf'],
    ['another system, that no file stands for', 'default auto-windows\n', undefined],
  ];
  for (const [what, conf, wanted] of cases)
    it(what, async () => {
      equal(await starts(entries(menu, conf)), wanted);
    });

  it("the firmware's variables come before the file, and once before always", async () => {
    const memory = entries(menu, 'default arch.conf\n');
    memory.file(VARIABLE.replace('NAME', 'LoaderEntryDefault'), efi('arch-lts.conf'));
    equal(await starts(memory), 'arch-lts.conf');
    memory.file(VARIABLE.replace('NAME', 'LoaderEntryOneShot'), efi('zeta.conf'));
    equal(await starts(memory), 'zeta.conf');
    memory.file(VARIABLE.replace('NAME', 'LoaderEntryOneShot'), efi('gone.conf'));
    equal(await starts(memory), 'arch-lts.conf');
    const saved = entries(menu, 'default @saved\n');
    saved.file(VARIABLE.replace('NAME', 'LoaderEntryLastBooted'), efi('arch.conf'));
    equal(await starts(saved), 'arch.conf');
  });

  it('sort-key, version and attempts order the menu', async () => {
    const key = (version: string): string => linux('A', `sort-key arch\nversion ${version}\n`);
    const memory = entries({
      'a.conf': key('6.9.1'),
      'b.conf': key('6.10.0'),
      'z.conf': linux('A'),
      'c+0.conf': key('7'),
    });
    deepEqual(
      (await readLoader(memory.host))?.entries.map(({ id }) => id),
      ['b.conf', 'a.conf', 'z.conf', 'c.conf'],
    );
  });

  it('entries of other systems on the same partition are left alone', async () => {
    const memory = entries(
      {
        'own.conf': linux('A'),
        'other.conf': linux('B'),
        'mine.conf': linux('C', 'machine-id 1\n'),
        'tool.conf': 'efi /x\n',
      },
      'default own.conf\n',
    );
    memory.file('/etc/machine-id', '1\n');
    const loader = await readLoader(memory.host);
    ok(loader);
    deepEqual((await ownEntries(memory.host, loader)).map(({ id }) => id).sort(), ['mine.conf', 'own.conf']);
  });

  it('what has started this system says which of two boot loaders counts', async () => {
    const { memory, host } = system('debian-13-both');
    equal((await detectBoot(host)).kind, 'both');
    memory.file(VARIABLE.replace('NAME', 'LoaderInfo'), efi('systemd-boot 257.7-1'));
    equal((await detectBoot(host)).kind, 'loader-entries');
    memory.file(VARIABLE.replace('NAME', 'LoaderInfo'), efi('GRUB 2.12-9'));
    equal((await detectBoot(host)).kind, 'drop-in');
  });

  it('a default that nobody has set up fails the step, and the entries are as they were', async () => {
    const there = system('arch-own-entries');
    there.memory.file('/boot/loader/loader.conf', 'default memtest.conf\n');
    const before = there.state();
    const { steps } = await planKernelArguments(there.host, SPEC);
    const error = await failure('CHANGE_FAILED', () => doSteps(there.host, steps));
    match(
      error.message,
      /memtest\.conf, which is started next \(.*loader\.conf:1 .*\), has none of the arguments; its/,
    );
    deepEqual(there.state(), before);
  });
});

describe('unified kernel images', () => {
  it('the command line is read out of the image', async () => {
    const { host } = new MemoryHost({
      '/x.efi': peImage({ '.osrel': 'ID=a', '.cmdline': `root=A ${UNIT}\n`, '.linux': 'k' }),
    });
    equal(await sectionOf(host, '/x.efi', '.cmdline'), `root=A ${UNIT}`);
    equal(await sectionOf(host, '/x.efi', '.dtb'), undefined);
  });

  it('whatever stands in the file, reading it ends', async () => {
    const whole = peImage({ '.cmdline': 'root=A' });
    await fc.assert(
      fc.asyncProperty(fc.nat(700), fc.nat(255), fc.nat(whole.length), async (at, byte, end) => {
        const broken = (whole.slice(0, at) + String.fromCharCode(byte) + whole.slice(at + 1)).slice(0, end);
        const { host } = new MemoryHost({ '/x.efi': broken });
        const text = await sectionOf(host, '/x.efi', '.cmdline');
        ok(text === undefined || text.length <= 65_536);
      }),
      { numRuns: 200 },
    );
  });

  it('a builder that leaves the image as it was is told', async () => {
    const there = system('arch-image-mkinitcpio');
    const run = (): Promise<{ exitCode: number; stdout: string; stderr: string }> =>
      Promise.resolve({ exitCode: 0, stdout: '', stderr: '' });
    const { steps } = await planKernelArguments(there.host, SPEC);
    const error = await failure('CHANGE_FAILED', () => doSteps({ ...there.host, run }, steps));
    match(error.message, /arch-linux\.efi, which is started next .* has hugepages=4$/);
  });

  it("arguments from /etc/cmdline.d are somebody else's to write, with the file", async () => {
    const { memory, host } = system('arch-image-mkinitcpio');
    memory.file('/etc/mkinitcpio.d/linux.preset', 'default_uki="/efi/EFI/Linux/arch-linux.efi"\n');
    memory.file('/etc/cmdline.d/10-root.conf', 'root=A\n').file('/etc/cmdline.d/20-more.conf', 'quiet\n');
    const { byHand } = await planKernelArguments(host, SPEC);
    match(byHand?.reason ?? '', /\/etc\/cmdline\.d\/20-more\.conf:1, then mkinitcpio -P$/);
  });
});

describe('/etc/kernel/cmdline', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['root=A ro\n', `root=A ro ${UNIT}\n`],
    ['root=A\nquiet\n', `root=A\nquiet ${UNIT}\n`],
    ['root=A\nhugepagesz=1G\nhugepages=2 quiet', `root=A\n${UNIT} quiet\n`],
    ['# why\nroot=A\n# that is all\n', `# why\nroot=A ${UNIT}\n# that is all\n`],
    ['# nothing yet\n', `${UNIT}\n# nothing yet\n`],
    ['', `${UNIT}\n`],
  ];
  for (const [before, after] of cases)
    it(`all lines of ${JSON.stringify(before)} are one`, () => {
      equal(editCmdline(before, SPEC, 'all lines'), after);
      equal(editCmdline(after, SPEC, 'all lines'), after);
    });

  it('where the first line is all of it, the others stay', () => {
    equal(editCmdline('root=A\nhugepages=3\n', SPEC, 'first line'), `root=A ${UNIT}\nhugepages=3\n`);
    equal(editCmdline('root=A', SPEC, 'first line'), `root=A ${UNIT}\n`);
  });

  it('a comment that some take for arguments is refused, with its line', async () => {
    const refused = async (text: string, reader: 'first line' | 'all lines'): Promise<string> =>
      (await failure('SETUP_REFUSED', () => editCmdline(text, SPEC, reader))).message;
    match(await refused('root=A\n# hugepages=4\n', 'all lines'), /^\/etc\/kernel\/cmdline:2: .*# hugepages=4$/);
    match(await refused('# why\nroot=A\n', 'first line'), /^\/etc\/kernel\/cmdline:1: /);
  });
});
