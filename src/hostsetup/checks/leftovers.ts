import { MIB, sizeText } from '../../common/bytes.js';
import { info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';

/** What is in nobody's use any more, and in somebody's way. */

/** For a shell, whatever stands in a name. */
function quoted(path: string): string {
  return /^[\w./+:@%-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** For a switch that is not the system's. */
const elsewhere = (runDir: string): string => (runDir === '/run/vhost-host' ? '' : ` --run-dir ${quoted(runDir)}`);

function sockets({ around }: Subject): Outcome[] {
  const { switchRuns, sockets: found, runDir } = around;
  if (switchRuns === true) return [ok(`a switch runs in ${runDir}`)];
  if (switchRuns === undefined) return [info(`the switch in ${runDir} may not be asked`, 'sudo vhost-host check')];
  if (found.length === 0) return [ok(`no switch runs in ${runDir}, and none left sockets`)];
  const reason = `${found.length} left in ${runDir} by a switch that is gone: guests get no connection there`;
  return [warning(reason, `vhost-host start --run-dir ${quoted(runDir)}`)];
}

function files({ host }: Subject): Outcome[] {
  const { files: found, uncertain } = host.leftovers;
  if (found.length === 0) return [ok('none')];
  const bytes = found.reduce((sum, file) => sum + file.bytes, 0);
  const some = found.slice(0, 3).map(({ path }) => quoted(path));
  const more = found.length > some.length ? `, and ${found.length - some.length} more` : '';
  const reason = `${sizeText(Math.max(MIB, Math.floor(bytes / MIB) * MIB))} in ${some.join(' ')}${more}`;
  if (uncertain) return [info(`${reason}: whether they are in use is not known`, 'sudo vhost-host check')];
  return [
    warning(`${reason}: no process has them mapped`, `sudo rm ${found.map(({ path }) => quoted(path)).join(' ')}`),
  ];
}

function records({ around }: Subject): Outcome[] {
  const { stale, uncertain } = around.records;
  const gone = stale.map(({ key, title, ports }) => {
    const with_ = ports.length === 0 ? '' : `, and its port ${ports.join(' ')} is in the switch`;
    const reason = `${title} is gone; attach remembers what it was, passwords included${with_}`;
    return warning(reason, `vhost-host vm forget ${key}${elsewhere(around.runDir)}`);
  });
  if (uncertain > 0) gone.push(info(`${uncertain} of which it is not known whether their domains exist`));
  return gone.length === 0 ? [ok('none of domains that are gone')] : gone;
}

function ports({ around }: Subject): Outcome[] {
  const { ports: unused } = around.records;
  if (unused.length === 0) return [ok('none that attach added and nobody is on')];
  const rest = elsewhere(around.runDir);
  return unused.map((name) =>
    warning(`${name} was added by attach, and no domain is on it any more`, `vhost-host ports rm ${name}${rest}`),
  );
}

const group = 'leftovers';
const states = ['ok', 'info', 'warning'] as const;

export const LEFTOVER_CHECKS: readonly Check[] = [
  { id: 'leftover-sockets', title: 'sockets', group, live: true, states, run: sockets },
  { id: 'leftover-hugepages', title: 'hugepage files', group, live: true, states, run: files },
  { id: 'leftover-records', title: 'what attach remembers', group, live: true, states, run: records },
  { id: 'leftover-ports', title: 'ports', group, live: true, states: ['ok', 'warning'], run: ports },
];
