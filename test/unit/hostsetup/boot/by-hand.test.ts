import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { snippetOf } from '../../../../src/hostsetup/boot/declarative.js';
import { detectBoot } from '../../../../src/hostsetup/boot/detect.js';
import { kargsIn } from '../../../../src/hostsetup/boot/declared-line.js';
import { hugepageUnit } from '../../../../src/hostsetup/kernel/hugepage-args.js';
import { planKernelArguments } from '../../../../src/hostsetup/boot/plan.js';
import type { ByHand } from '../../../../src/changes/part-plan.js';
import { system, systems } from './support.js';
import type { System } from './support.js';

const PAGES = { defaultSize: '1G', pools: [{ size: '1G', count: 8 }, { size: '2M', count: 256 }] }; // prettier-ignore
const SPEC = { hugepages: PAGES, iommu: 'intel' } as const;

const handOf = async ({ host }: System): Promise<ByHand | undefined> => (await planKernelArguments(host, SPEC)).byHand;

/** Edits files as a person would who reads the snippet; how many lines that were. */
function followSnippet({ memory }: System, { snippet }: ByHand): number {
  let edits = 0;
  const lines = snippet.split('\n');
  lines.forEach((line, i) => {
    const text = lines[i + 1] ?? '';
    const [, path = '', number] = /^(\/\S+), line (\d+), as it has to read:$/.exec(line) ?? [];
    const [, added] = /^(\/\S+), a line to add:$/.exec(line) ?? [];
    if (number !== undefined) {
      const old = (memory.entries.get(path)?.text ?? '').split('\n');
      old[Number(number) - 1] = text;
      memory.file(path, old.join('\n'));
      edits++;
    } else if (added !== undefined) {
      memory.file(added, `${memory.entries.get(added)?.text ?? ''}${text}\n`);
      edits++;
    }
  });
  return edits;
}

describe('kernel arguments by hand', () => {
  for (const name of systems) {
    it(`${name}: whoever does what is shown has done it, and the rest of the file stays`, async () => {
      const there = system(name);
      const method = await detectBoot(there.host);
      const hand = await handOf(there);
      if (method.kind !== 'by-hand' || hand === undefined) return;
      const before = there.memory.tree();
      const edits = followSnippet(there, hand);
      const readable = method.places.filter(({ path, byCommand }) => path !== undefined && byCommand !== true);
      equal(edits > 0, readable.length > 0, hand.snippet);
      for (const { path } of readable) ok(hand.reason.includes(path?.replace(/\/[^/]*$/, '') ?? ''), hand.reason);
      if (edits === 0) return;
      const made = method.places.flatMap((place) => place.made ?? []);
      const text = readable.map(({ path }) => there.memory.entries.get(path ?? '')?.text ?? '').join('\n');
      for (const path of made) if (there.memory.entries.has(path)) there.memory.file(path, text);
      equal(await handOf(there), undefined, hand.snippet);
      const changed = Object.entries(there.memory.tree()).filter(
        ([path, now]) => before[path] !== now && !made.includes(path),
      );
      equal(changed.filter(([, text]) => text.startsWith('file')).length, 1);
    });
  }

  it('lines for emergencies stay as they are, and are asked for by nobody', async () => {
    const there = system('arch-limine');
    const { snippet = '' } = (await handOf(there)) ?? {};
    match(snippet, /^\/boot\/limine\.conf, line 6, as it has to read:\n {4}cmdline: root=UUID=7d1f rw quiet default_/);
    ok(!snippet.includes('single'));
  });

  it('kernelstub is told what to take away, and never a word twice, which it would drop', async () => {
    const there = system('pop-os');
    match(
      (await handOf(there))?.snippet ?? '',
      /^kernelstub --delete-options "hugepages=12"\nkernelstub --add-options "default_/,
    );
    const same = { hugepages: { pools: [{ size: '1G', count: 12 }, { size: '2M', count: 12 }] } }; // prettier-ignore
    const { byHand } = await planKernelArguments(there.host, same);
    match(
      byHand?.snippet ?? '',
      /^\/etc\/kernelstub\/configuration: "kernel_options" gets "hugepagesz=1G", "hugepages=12"/,
    );
    there.memory.file(
      '/boot/efi/loader/entries/Pop_OS-current.conf',
      'options root=UUID=77 hugepagesz=1G hugepages=12 hugepagesz=2M hugepages=12\n',
    );
    equal((await planKernelArguments(there.host, same)).byHand, undefined);
  });

  it('what an image was built with counts', async () => {
    const args = 'default_hugepagesz=1G hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=256 intel_iommu=on iommu=pt';
    const nix = system('nixos-image');
    nix.memory.file('/nix/var/nix/profiles/system/kernel-params', `loglevel=4 ${args}`);
    equal(await handOf(nix), undefined);
    const bootc = system('bootc-image');
    const [, toml = ''] = (await handOf(bootc))?.snippet.split('\n') ?? [];
    bootc.memory.file('/usr/lib/bootc/kargs.d/10-vhost-host.toml', `${toml}\n`);
    equal(await handOf(bootc), undefined);
    deepEqual(kargsIn('# kargs = ["x"]\nkargs = [\n  "a=1", # first\n  \'b\',\n]\nmatch-architectures = ["c"]\n'), [
      'a=1',
      'b',
    ]);
  });

  it('a system of a running kernel that has the arguments needs no snippet where no file tells', async () => {
    const there = system('talos');
    there.memory.file(
      '/proc/cmdline',
      'default_hugepagesz=1G hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=256 intel_iommu=on iommu=pt\n',
    );
    equal(await handOf(there), undefined);
    const file = system('arch-refind');
    file.memory.file('/proc/cmdline', await there.host.read('/proc/cmdline'));
    ok((await handOf(file)) !== undefined, 'the next boot has what the file says');
  });
});

describe('kernel arguments in a configuration that knows no order', () => {
  /** Names side by side, as Talos and its image factory make it, in the order of the first of each. */
  const grouped = (words: readonly string[]): string => {
    const names = [...new Set(words.map((word) => word.split('=')[0]))];
    return names.flatMap((name) => words.filter((word) => word.split('=')[0] === name)).join(' ');
  };

  for (const [what, args] of [
    ['two sizes', 'default_hugepagesz=1G hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=256'],
    ['the small one first', 'hugepagesz=2M hugepages=256 hugepagesz=1G hugepages=8'],
    ['per node', 'hugepagesz=1G hugepages=0:4,1:4 hugepagesz=2M hugepages=0:128,1:128'],
  ] as const) {
    it(`${what}: Talos keeps the one pair on its line, and the rest comes by sysctl`, () => {
      const text = snippetOf('talos', `${args} iommu=pt`);
      for (const part of ['machine:\n  install:\n    extraKernelArgs:\n', 'customization:\n  extraKernelArgs:\n']) {
        const words =
          (text.split(part)[1] ?? '')
            .split(/\n(?! *- )/)[0]
            ?.split('\n')
            .map((line) => line.trim().slice(2)) ?? [];
        const { defaultSize, pools } = hugepageUnit(grouped(words), '2M');
        deepEqual([defaultSize, pools.map(({ size }) => size)], [undefined, ['1G']]);
        ok(words.includes('iommu=pt'));
      }
      match(text, /machine:\n {2}sysctls:\n {4}vm\.nr_hugepages: "256"$/);
    });

    it(`${what}: Bottlerocket gets numbers by size`, () => {
      const text = snippetOf('bottlerocket', `${args} iommu=pt`);
      match(text, /^\[settings\.kernel\.hugepages\.static\]\n"1Gi" = \{ count = "8" \}\n"2Mi" = \{ count = "256" \}\n/);
      match(text, /\n\[settings\.boot\.kernel-parameters\]\n"iommu" = \["pt"\]$/);
      ok(!/^"hugepagesz?"/m.test(text));
    });
  }

  it('small pages alone need no line at all on Talos', () => {
    equal(
      snippetOf('talos', 'hugepagesz=2M hugepages=64'),
      '# pages of 2M, in the configuration of the machine\nmachine:\n  sysctls:\n    vm.nr_hugepages: "64"',
    );
  });
});
