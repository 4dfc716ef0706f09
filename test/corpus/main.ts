import { makeConsole } from '../../src/common/output.js';
import { checkArgv } from './argv.js';
import { checkDefine } from './define.js';
import { checkDomains } from './domains.js';
import { sources } from './files.js';
import type { Report } from './report.js';

/**
 * `npm run corpus [argv] [domains] [define]`: what libvirt's authors wrote for their own tests, through the wrapper's
 * planner and through attach and detach. Ends with 1 where anything is wrong.
 */
const kinds: Readonly<Record<string, (all: ReturnType<typeof sources>) => Report | Promise<Report>>> = {
  argv: checkArgv,
  domains: checkDomains,
  define: checkDefine,
};

const console = makeConsole('corpus', process.stdout, process.stderr);

async function main(): Promise<void> {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !(name in kinds));
  if (unknown !== undefined) throw new Error(`no kind ${unknown}: ${Object.keys(kinds).join(' ')}`);
  const all = sources();
  for (const [name, check] of Object.entries(kinds)) {
    if (named.length > 0 && !named.includes(name)) continue;
    const report = await check(all);
    for (const line of report.lines()) console.print(line);
    if (report.faults.length > 0) process.exitCode = 1;
  }
}

main().catch(async (error: unknown) => {
  process.exitCode = 1;
  await console.fail(error);
});
