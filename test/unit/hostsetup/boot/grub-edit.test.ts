import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { VhostHostError } from '../../../../src/common/errors.js';
import { editGrub } from '../../../../src/hostsetup/boot/grub/edit.js';
import type { GrubEdit } from '../../../../src/hostsetup/boot/grub/edit.js';
import { VARIABLES } from '../../../../src/hostsetup/boot/grub/line.js';
import { fulfils, withoutOwn } from '../../../../src/hostsetup/kernel/spec.js';
import type { KernelArgsSpec } from '../../../../src/hostsetup/kernel/spec.js';
import { HIDDEN, textOf } from '../../../../src/hostsetup/system/shell-values.js';
import type { ShellFile } from '../../../../src/hostsetup/system/shell-values.js';
import { sourcedChecks } from '../../../../src/hostsetup/boot/grub/sourced.js';
import { MemoryHost } from '../../host/memory-host.js';
import { runShell, sourcedBy } from './grub-sourced.js';
import type { Host } from '../../../../src/host/host.js';

const SPEC: KernelArgsSpec = { hugepages: { defaultSize: '1G', pools: [{ size: '1G', count: 8 }] }, iommu: 'amd' };
const MAIN = '/etc/default/grub';
const OWN = '/etc/default/grub.d/95-vhost-host.cfg';

const own = (args: string): { path: string; text: string } => ({
  path: OWN,
  text: `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${args}"\n`,
});

type Mode = 'drop-in' | 'direct';

const filesOf = (texts: readonly string[]): ShellFile[] =>
  texts.map((text, i) => ({ path: i === 0 ? MAIN : `${MAIN}.d/${i}0-x.cfg`, text }));

function edited(texts: readonly string[], mode: Mode): GrubEdit | string {
  try {
    return editGrub(filesOf(texts), SPEC, mode === 'drop-in' ? own : undefined);
  } catch (error) {
    ok(error instanceof VhostHostError && error.code === 'SETUP_REFUSED', String(error));
    return error.message;
  }
}

const foreign = (line: string): string[] => withoutOwn(line, SPEC).trim().split(/\s+/);

/** What becomes of the files, by the way that setup takes: look, write, look again. */
async function outcomeOf(shell: readonly string[], texts: readonly string[], mode: Mode): Promise<string> {
  const edit = edited(texts, mode);
  if (typeof edit === 'string') return 'refused';
  const { before, files } = edit;
  let now: readonly ShellFile[] = filesOf(texts);
  const run: Host['run'] = (_, args) =>
    Promise.resolve(runShell(shell, args, (path) => now.find((one) => one.path === path)?.text));
  const host = { ...new MemoryHost().host, run };
  const [look, compare] = sourcedChecks(edit, SPEC);
  const old = sourcedBy(shell, now);
  const unfit = await look.check(host).catch((error: unknown) => String(error));
  if (unfit !== undefined) return 'refused by a look';
  ok(old !== undefined);
  VARIABLES.forEach((name, i) => {
    const known = textOf(before.values.get(name) ?? []);
    if (!known.includes(HIDDEN)) equal(known, old[i], `${name} of ${JSON.stringify(texts)}`);
  });
  now = files;
  const wrong = await compare.check(host).catch((error: unknown) => String(error));
  const after = sourcedBy(shell, files)?.join(' ') ?? '';
  const story = `${JSON.stringify(texts)} became ${JSON.stringify(files)}: ${after}`;
  equal(wrong, undefined, story);
  deepEqual(foreign(after), foreign(old.join(' ')), story);
  ok(fulfils(after, SPEC), story);
  return 'edited';
}

const word = fc.constantFrom(
  'quiet',
  'root=/dev/sda1',
  'hugepages=16',
  'hugepagesz=1G',
  'default_hugepagesz=2M',
  'iommu=soft',
  'console=ttyS0,115200n8',
  'a\\"b',
  "it\\'s",
  '\\$tuned_params',
  '$A',
  '${A}',
  '${A:+$A }x',
  '${NONE:-y}',
  '${GRUB_CMDLINE_LINUX_DEFAULT:+$GRUB_CMDLINE_LINUX_DEFAULT }z',
  '$GRUB_CMDLINE_LINUX',
  '$(echo "sub (x)")',
  '`echo back`',
  '$((1+2))',
  '~',
  'a:~',
  '#no',
  '--',
  'x=\\\\',
);
const gap = fc.constantFrom(' ', '  ', '\t', ' \\\n    ', ' ', '\\\n');
const inside = fc.array(fc.tuple(word, gap), { maxLength: 5 }).map((list) => list.flat().join(''));
const part = fc.oneof(
  { weight: 6, arbitrary: inside.map((text) => `"${text}"`) },
  { weight: 2, arbitrary: inside.map((text) => `'${text.replaceAll("'", '')}'`) },
  { weight: 2, arbitrary: word.filter((text) => !/ /.test(text)) },
);
const value = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
const name = fc.constantFrom(...VARIABLES, ...VARIABLES, 'A', 'GRUB_TIMEOUT');
const assignment = fc
  .tuple(
    fc.constantFrom('', '', '', 'export ', ' '),
    name,
    fc.constantFrom('=', '=', '=', '+='),
    fc.oneof(value, fc.constant('')),
  )
  .map((parts) => parts.join(''));
const statement = fc.oneof(
  { weight: 8, arbitrary: assignment },
  { weight: 1, arbitrary: fc.tuple(assignment, assignment).map((two) => two.join(' ')) },
  { weight: 1, arbitrary: fc.tuple(assignment, assignment).map((two) => two.join('; ')) },
  { weight: 1, arbitrary: assignment.map((text) => `if true; then\n  ${text}\nfi`) },
  { weight: 1, arbitrary: assignment.map((text) => `f() {\n${text}\n}`) },
  { weight: 1, arbitrary: assignment.map((text) => `[ -e /nowhere ] && ${text} || true`) },
  { weight: 1, arbitrary: assignment.map((text) => `case x in\n  x) ${text} ;;\nesac`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '# hugepages=3 "quoted',
      'unset A',
      'cat > /dev/null <<EOF\nGRUB_CMDLINE_LINUX="here"\nEOF',
      ': "${A:=set}"',
      'for i in 1 2; do A="$A $i"; done',
      'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=1G-4G:192M"',
      'A="default_hugepagesz=1G hugepagesz=1G hugepages=16"',
      'A="hugepages=$(echo 4)"',
    ),
  },
);
const file = fc
  .array(fc.tuple(statement, fc.constantFrom('\n', '\n', ' # why "not\n', ';\n')), { maxLength: 6 })
  .map((list) => list.flat().join(''));

/** More of them, for whoever has changed the parser. */
const RUNS = Number(process.env['RUNS'] ?? 40);

describe("kernel arguments in GRUB's files", function () {
  this.timeout(600_000);

  for (const shell of [['dash'], ['bash', '--posix']] as const)
    for (const mode of ['direct', 'drop-in'] as const)
      it(`${shell[0]} reads what was there and what was asked for, or nothing is written (${mode})`, async () => {
        const seen = new Map<string, number>();
        const texts = fc.array(file, { minLength: 1, maxLength: mode === 'direct' ? 1 : 3 });
        const property = fc.asyncProperty(texts, async (list) => {
          const outcome = await outcomeOf(shell, list, mode);
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        });
        // About one in four is edited; that many are to be seen whatever chance brings.
        const enough = (): boolean => (seen.get('edited') ?? 0) > RUNS / 5;
        for (let turn = 0; turn < 10 && !enough(); turn++)
          await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
        ok(enough(), JSON.stringify([...seen]));
      });

  const UNIT = 'default_hugepagesz=1G hugepagesz=1G hugepages=8 iommu=pt';
  const kept: readonly (readonly [string, string])[] = [
    ['GRUB_CMDLINE_LINUX=\n', `GRUB_CMDLINE_LINUX="${UNIT}"\n`],
    ['GRUB_CMDLINE_LINUX=quiet # why\n', `GRUB_CMDLINE_LINUX="quiet ${UNIT}" # why\n`],
    ["GRUB_CMDLINE_LINUX='a b'\n", `GRUB_CMDLINE_LINUX='a b ${UNIT}'\n`],
    ['GRUB_CMDLINE_LINUX="rd.luks=1"" ro"\n', `GRUB_CMDLINE_LINUX="rd.luks=1"" ro ${UNIT}"\n`],
    ['GRUB_CMDLINE_LINUX="a \\\n  b"\n', `GRUB_CMDLINE_LINUX="a \\\n  b ${UNIT}"\n`],
    ['GRUB_CMDLINE_LINUX="a=$(id -u):x"\n', `GRUB_CMDLINE_LINUX="a=$(id -u):x ${UNIT}"\n`],
    ['GRUB_CMDLINE_LINUX="a -- single"\n', `GRUB_CMDLINE_LINUX="a ${UNIT} -- single"\n`],
    ['export GRUB_CMDLINE_LINUX="a" B=c\n', `export GRUB_CMDLINE_LINUX="a ${UNIT}" B=c\n`],
    ['X=1; GRUB_CMDLINE_LINUX="a"; Y=2\n', `X=1; GRUB_CMDLINE_LINUX="a ${UNIT}"; Y=2\n`],
    [
      'if x; then\n  GRUB_CMDLINE_LINUX="a"\nfi\n',
      `if x; then\n  GRUB_CMDLINE_LINUX="a"\nfi\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${UNIT}"\n`,
    ],
    [
      'GRUB_CMDLINE_LINUX_DEFAULT="a hugepages=3 \\\n b"',
      `GRUB_CMDLINE_LINUX_DEFAULT="a default_hugepagesz=1G hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=3 iommu=pt \\\n b"`,
    ],
  ];
  for (const [before, after] of kept)
    it(`${JSON.stringify(before)} keeps all but what is asked for`, () => {
      const edit = edited([before], 'direct');
      equal(typeof edit === 'string' ? edit : edit.files[0]?.text, after);
    });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['A="hugepages=3"\nGRUB_CMDLINE_LINUX="x $A"\n', /grub:1: hugepages=3 comes from the variable A: A="hugepages=3"$/],
    ['GRUB_CMDLINE_LINUX="hugepages=$(nproc)"\n', /grub:1: hugepages=… is not known before it runs: GRUB/],
    ['#\nGRUB_CMDLINE_LINUX="`echo hugepages=3`"\n', /grub:2: arguments of ours in what is no plain assignment/],
    ['GRUB_CMDLINE_LINUX="a\n b"\n', /grub:1: the value goes on behind the end of the line/],
    ['GRUB_CMDLINE_LINUX="a "b"\n', /grub:1: cannot be followed from here on: GRUB_CMDLINE_LINUX="a "b"$/],
    ['cat <<EOF\nhugepages=1\nEOF\n', /grub:2: arguments of ours in what is no plain assignment: hugepages=1$/],
  ];
  for (const [text, message] of refused)
    it(`${JSON.stringify(text)} is refused with its line`, () => {
      const edit = edited([text], 'direct');
      ok(typeof edit === 'string' && message.test(edit), JSON.stringify(edit));
    });
});
