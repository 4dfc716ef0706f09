import type { BootHost } from '../method.js';
import { findProgram } from '../../../host/find-program.js';
import type { HandPlace } from '../method.js';

/** How a boot loader whose command line is edited by hand is told, by the files that it has. */

export interface Loader {
  /** Who starts the kernel, and from what. */
  readonly reason: string;
  readonly places: readonly HandPlace[];
}

export type FindLoader = (host: BootHost) => Promise<Loader | undefined>;

/** Lines of `name=value` and `name="value"`, in the three parts that a place wants. */
export const valueOf = (name: string): RegExp => new RegExp(`^(\\s*${name}\\s*=\\s*)([^"'\\s].*?)(\\s*)$`);
export const quotedValueOf = (name: string): RegExp => new RegExp(`^(\\s*${name}\\s*=\\s*")([^"]*)(".*)$`);

export async function firstFile(host: BootHost, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await host.stat(path))?.kind === 'file') return path;
  return undefined;
}

/** By the first of these files that is there; `program`: what must be there as well, for it reads the file. */
export function byFile(
  reason: string,
  paths: readonly string[],
  line: RegExp,
  rest: Omit<HandPlace, 'path' | 'line'>,
  program?: string,
): FindLoader {
  return async (host) => {
    if (program !== undefined && (await findProgram(host, program)) === undefined) return undefined;
    const path = await firstFile(host, paths);
    return path === undefined ? undefined : { reason: `${reason} ${path}`, places: [{ path, line, ...rest }] };
  };
}

/** By what the system calls itself: its configuration may lie on a partition that is not mounted here. */
export async function systemId(host: BootHost): Promise<string> {
  const release =
    (await host.readOptional('/etc/os-release')) ?? (await host.readOptional('/usr/lib/os-release')) ?? '';
  return /^ID=["']?([\w.-]+)/m.exec(release)?.[1] ?? '';
}

export function byId(ids: readonly string[], reason: string, places: readonly HandPlace[]): FindLoader {
  return async (host) => (ids.includes(await systemId(host)) ? { reason, places } : undefined);
}

/** By a program of it, or a file. */
export function bySign(program: string, path: string | undefined, loader: Loader): FindLoader {
  return async (host) => {
    const there =
      (await findProgram(host, program)) !== undefined || (path !== undefined && (await host.stat(path)) !== undefined);
    return there ? loader : undefined;
  };
}

/** The first of them that this system has. */
export async function findLoader(host: BootHost, loaders: readonly FindLoader[]): Promise<Loader | undefined> {
  for (const find of loaders) {
    const loader = await find(host);
    if (loader !== undefined) return loader;
  }
  return undefined;
}
