import type { BootHost, SnippetStyle } from './method.js';

/** What the system was built with: the file in which a NixOS generation keeps its command line. */
const NIX_PARAMS = '/nix/var/nix/profiles/system/kernel-params';
const KARGS = '/usr/lib/bootc/kargs.d';

/** The words of `kargs = [ "a", 'b' ]` in a file of TOML. */
export function kargsIn(toml: string): string[] {
  const text = toml.replace(/^\s*#.*$/gm, '');
  const lists = [...text.matchAll(/^\s*kargs\s*=\s*\[((?:"[^"]*"|'[^']*'|[^\]"'])*)\]/gm)].map(([, list = '']) => list);
  return lists.flatMap((list) => [...list.matchAll(/"([^"]*)"|'([^']*)'/g)].map(([, a, b]) => a ?? b ?? ''));
}

/** The arguments that the system's own configuration came to; undefined where no file tells. */
export async function declaredLine(host: BootHost, style: SnippetStyle): Promise<string | undefined> {
  if (style === 'nix') return host.readOptional(NIX_PARAMS);
  if (style !== 'bootc') return undefined;
  const names = [...(await host.list(KARGS))].filter((name) => name.endsWith('.toml')).sort();
  const words: string[] = [];
  for (const name of names) words.push(...kargsIn((await host.readOptional(`${KARGS}/${name}`)) ?? ''));
  return words.join(' ');
}
