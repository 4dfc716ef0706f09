import type { SnippetStyle } from './boot-method.js';

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
      return `machine:\n  install:\n    extraKernelArgs:\n${words.map((word) => `      - ${word}\n`).join('')}`.trimEnd();
    case 'bottlerocket':
      return `[settings.boot.kernel-parameters]\n${bottlerocket(words)}`;
    case 'bootc':
      return `# /usr/lib/bootc/kargs.d/10-vhost-host.toml of the image\nkargs = [${quoted.join(', ')}]`;
    case 'plain':
      return args;
  }
}

/** One line per name with all of its values: this system knows no order between names. */
function bottlerocket(words: readonly string[]): string {
  const values = new Map<string, string[]>();
  for (const word of words) {
    const [name = '', value = ''] = word.split(/=(.*)/);
    values.set(name, [...(values.get(name) ?? []), `"${value}"`]);
  }
  return [...values].map(([name, list]) => `"${name}" = [${list.join(', ')}]`).join('\n');
}
