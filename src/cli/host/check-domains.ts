import { VhostHostError } from '../../common/errors.js';
import { readPools } from '../../host/kernel/hugepages.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { info, warning } from '../../hostsetup/checks/check.js';
import type { DomainView, Outcome } from '../../hostsetup/checks/check.js';
import { pagesOf } from '../../libvirt/domain/memory-demand.js';
import { Virsh } from '../../libvirt/virsh.js';
import type { CliContext } from '../shared/context.js';
import { checkTarget } from '../vm/check.js';
import type { VmOptions } from '../vm/options.js';
import { openTarget } from '../vm/target.js';
import { surveyUses } from '../vm/ports/port-uses.js';
import type { PortUse, SwitchView } from '../vm/ports/port-use.js';

/** What libvirt tells of its domains; `trouble` where it tells nothing. */
export interface DomainSurvey {
  readonly domains: readonly DomainView[];
  readonly trouble: Outcome | undefined;
}

/** Anything else is a mistake of ours, or of the call. */
function told(failure: unknown): VhostHostError {
  if (failure instanceof VhostHostError && failure.code !== 'USAGE') return failure;
  throw failure;
}

async function viewDomain(
  context: CliContext,
  options: VmOptions,
  name: string,
  view: SwitchView,
  pools: Pools,
  uses: readonly PortUse[],
): Promise<DomainView> {
  try {
    const target = await openTarget(context, name, options);
    const { domain, findings } = await checkTarget(context, options, target, view, uses);
    return {
      name,
      running: target.running,
      bytes: domain.parts.reduce((sum, { bytes }) => sum + bytes, 0),
      pages: pagesOf(domain, pools),
      findings: findings.map(({ id, level, reason, fix }) => ({ id, state: level, reason, fix })),
      trouble: undefined,
    };
  } catch (failure) {
    // A transient domain, or one that was undefined a moment ago: no reason to keep quiet about the others.
    return { name, running: false, bytes: 0, pages: [], findings: [], trouble: told(failure).message };
  }
}

export async function surveyDomains(context: CliContext, options: VmOptions, view: SwitchView): Promise<DomainSurvey> {
  try {
    const names = await new Virsh(context.host, options.connect).names();
    const pools = await readPools(context.host);
    const uses = await surveyUses(context, options, view);
    const domains: DomainView[] = [];
    for (const name of names) domains.push(await viewDomain(context, options, name, view, pools, uses));
    return { domains, trouble: undefined };
  } catch (failure) {
    const { code, message, hint } = told(failure);
    const fix = hint ?? 'virsh list --all';
    const reason = `${message}, so domains are not looked at`;
    return { domains: [], trouble: code === 'LIBVIRT_MISSING' ? info(reason, fix) : warning(reason, fix) };
  }
}
