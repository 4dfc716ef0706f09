import { VhostHostError, printable } from '../../../common/errors.js';
import type { CheckAction } from '../../../changes/steps.js';
import { difference } from './edit.js';
import type { GrubEdit } from './edit.js';
import { VARIABLES } from './line.js';
import { fulfils, ownArgs } from '../../kernel/spec.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import { HIDDEN, textOf } from '../../system/shell-values.js';
import type { Host } from '../../../host/host.js';

/** GRUB's files read by the system's own shell, as its own tool reads them: what they really say. */

/** The files come as arguments, and nothing of them becomes part of the script. */
const SOURCE = `set -e
exec 3>&1 >&2
unset ${VARIABLES.join(' ')}
for vhost_host_file do
  if [ -e "$vhost_host_file" ]; then . "$vhost_host_file"; fi
done
printf '%s\\0' ${VARIABLES.map((name) => `"\${${name}}"`).join(' ')} >&3
`;

const TIMEOUT_MS = 60_000;

/** The values of `VARIABLES`; throws where the shell does not take the files. */
async function source(host: Host, paths: readonly string[]): Promise<readonly string[]> {
  const name = 'vhost-host';
  const { exitCode, stdout, stderr } = await host.run('sh', ['-c', SOURCE, name, ...paths], { timeoutMs: TIMEOUT_MS });
  const values = stdout.split('\0');
  if (exitCode === 0 && values.length === VARIABLES.length + 1) return values.slice(0, -1);
  const said = printable(stderr.trim().split('\n').at(-1) ?? '');
  throw new VhostHostError('SETUP_REFUSED', `sh cannot read ${paths.join(', ')}${said && `: ${said}`}`, {
    hint: 'fix the file; the boot loader cannot be set up with it either',
    details: { paths, exitCode },
  });
}

/** Whether a text may be what is known of it in part. */
function fits(known: string, text: string): boolean {
  const parts = known.split(HIDDEN).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`).test(text);
}

/** Two checks: one before the files are written, which refuses, and one after it. */
export function sourcedChecks({ before, args, files }: GrubEdit, spec: KernelArgsSpec): [CheckAction, CheckAction] {
  let old: string | undefined;
  const paths = files.map(({ path }) => path);
  const look = async (host: Host): Promise<string | undefined> => {
    const values = await source(host, paths);
    const line = values.join(' ');
    const odd = VARIABLES.find((name, i) => !fits(textOf(before.values.get(name) ?? []), values[i] ?? ''));
    if (odd !== undefined) return `${paths.join(', ')}: sh makes another value of ${odd} than can be followed here`;
    const hidden = ownArgs(line, spec).join(' ') !== ownArgs(before.line, spec).join(' ');
    // What the words are, and where they end, must not hang on something hidden.
    const open = values.some((value) => value.split('"').length % 2 === 0);
    const unclear = before.line.includes(HIDDEN) && (open || /(^|\s)--(\s|$)/.test(line));
    if (unclear) return `${paths.join(', ')}: where more arguments would go is unclear: ${printable(line)}`;
    if (hidden) return `${paths.join(', ')}: a command or variable in there sets ${ownArgs(line, spec).join(' ')}`;
    old = line;
    return undefined;
  };
  const compare = async (host: Host): Promise<string | undefined> => {
    const line = (await source(host, paths)).join(' ');
    const wrong = old === undefined ? 'nobody has looked at it before' : difference(old, line, spec, args);
    return wrong ?? (fulfils(line, spec) ? undefined : `"${line}" is not what was asked for`);
  };
  return [
    { kind: 'check', check: look },
    { kind: 'check', check: compare },
  ];
}
