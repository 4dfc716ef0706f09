import type { SnippetStyle } from './method.js';
import { kernelArgs } from '../kernel/args.js';
import { hugepageUnit, isHugepageArg, pageBytes } from '../kernel/hugepage-args.js';
import { pagesIn } from '../kernel/hugepage-counts.js';

/** What somebody adds by hand where the system's command line is not ours to edit. */
export function snippetOf(style: SnippetStyle, args: string): string {
  const words = args.split(' ').filter((word) => word !== '');
  const quoted = words.map((word) => `"${word}"`);
  switch (style) {
    case 'nix':
      return `boot.kernelParams = [ ${quoted.join(' ')} ];`;
    case 'guix':
      return `(kernel-arguments (append (list ${quoted.join(' ')}) %default-kernel-arguments))`;
    case 'talos':
      return talos(args);
    case 'bottlerocket':
      return bottlerocket(args);
    case 'bootc':
      return `# /usr/lib/bootc/kargs.d/10-vhost-host.toml of the image\nkargs = [${quoted.join(', ')}]`;
    case 'plain':
      return args;
  }
}

interface Split {
  /** Largest first. */
  readonly pools: readonly { readonly size: string; readonly count: string }[];
  /** All other arguments. */
  readonly others: readonly string[];
}

/** Both systems name sizes that the kernel has in any case, so a pool without a count says nothing. */
function split(args: string): Split {
  const pools = hugepageUnit(args, '2M').pools.flatMap(({ size, count }) =>
    count === undefined ? [] : [{ size, count }],
  );
  const others = kernelArgs(args).filter((arg) => !isHugepageArg(arg));
  return {
    pools: pools.sort((a, b) => (pageBytes(b.size) ?? 0) - (pageBytes(a.size) ?? 0)),
    others: others.map(({ text }) => text),
  };
}

/** The kernel's own default, of which vm.nr_hugepages counts pages as long as no default_hugepagesz is named. */
const DEFAULT_PAGE = 2 * 2 ** 20;

/**
 * Talos puts arguments of one name side by side (siderolabs/talos issue 11310), which takes pairs of size and number
 * apart: there is one pair on the line, and the pages of the kernel's default size come by sysctl. On UEFI, where it
 * starts from a unified kernel image, it takes no arguments from the machine's configuration, but from the image's
 * schematic.
 */
function talos(args: string): string {
  const { pools, others } = split(args);
  const small = pools.filter(({ size }) => pageBytes(size) === DEFAULT_PAGE);
  const [pair, ...more] = pools.filter((pool) => !small.includes(pool));
  const line = [...(pair === undefined ? [] : [`hugepagesz=${pair.size}`, `hugepages=${pair.count}`]), ...others];
  const list = (indent: string): string[] => line.map((word) => `${indent}- ${word}`);
  const onLine =
    line.length === 0
      ? []
      : [
          '# BIOS; of several page sizes only one stands here, for Talos takes pairs of size and number apart',
          'machine:',
          '  install:',
          '    extraKernelArgs:',
          ...list('      '),
          '# UEFI (Talos 1.10 and newer): the same in the schematic of the image, at factory.talos.dev',
          'customization:',
          '  extraKernelArgs:',
          ...list('    '),
        ];
  const sysctls = small.map(({ count }) => `    vm.nr_hugepages: "${pagesIn(count)}"`);
  const bySysctl =
    sysctls.length === 0
      ? []
      : ['# pages of 2M, in the configuration of the machine', 'machine:', '  sysctls:', ...sysctls];
  const without = more.map(({ size, count }) => `# not possible beside ${pair?.size ?? ''}: ${count} pages of ${size}`);
  return [...onLine, ...bySysctl, ...without].join('\n');
}

/**
 * Bottlerocket keeps kernel parameters by name, in no order, so that pairs of size and number cannot be written: since
 * 1.65 it has settings of its own for pages; before, one size can be had, by arguments that mean the same in any order.
 */
function bottlerocket(args: string): string {
  const { pools, others } = split(args);
  const unit = (size: string): string => size.replace(/([KMGT])$/, '$1i');
  const counts = pools.map(({ size, count }) => `"${unit(size)}" = { count = "${pagesIn(count)}" }`);
  const [first] = pools;
  const parameter = (word: string): string => {
    const [name = '', value = ''] = word.split(/=(.*)/);
    return `"${name}" = ["${value}"]`;
  };
  const older =
    first === undefined
      ? []
      : [
          `# before 1.65, pages of ${first.size} only: [settings.boot.kernel-parameters]`,
          `# "default_hugepagesz" = ["${first.size}"]`,
          `# "hugepages" = ["${first.count}"]`,
        ];
  return [
    ...(counts.length === 0 ? [] : ['[settings.kernel.hugepages.static]', ...counts, ...older]),
    ...(others.length === 0 ? [] : ['[settings.boot.kernel-parameters]', ...others.map(parameter)]),
  ].join('\n');
}
