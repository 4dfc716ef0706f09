import { basename } from 'node:path';
import type { Host } from '../host.js';

/** The name of what a symbolic link leads to, such as a device's driver in sysfs; undefined where there is no such link. */
export async function linkName(host: Pick<Host, 'realpath'>, link: string): Promise<string | undefined> {
  const real = await host.realpath(link);
  return real === undefined ? undefined : basename(real);
}

/** A symbolic link such as those of sysfs, and the name of what it leads to. */
export interface LinkTo {
  readonly link: string;
  readonly name: string;
}
