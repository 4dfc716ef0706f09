import { apparmorIsOn, selinuxMode } from '../confinement.js';
import type { SelinuxMode } from '../confinement.js';
import { readPools } from '../hugepage-pools.js';
import type { Pools } from '../hugepage-pools.js';
import { readNextBoot } from './boot-next.js';
import type { NextBoot } from './boot-next.js';
import { readDpdkVersion } from './facts-dpdk.js';
import { readBridges } from './facts-bridge.js';
import type { BridgeFacts } from './facts-bridge.js';
import { readLeftovers } from './facts-leftovers.js';
import type { LeftoverFacts } from './facts-leftovers.js';
import { readImage } from './facts-image.js';
import type { ImageFacts } from './facts-image.js';
import type { Look } from './facts-look.js';
import { readIommu, readModules } from './facts-modules.js';
import type { IommuFacts, ModuleName, ModuleState } from './facts-modules.js';
import { readHugetlbMounts } from './facts-mounts.js';
import type { MountFacts } from './facts-mounts.js';
import { readNics } from './facts-nics.js';
import type { NicFacts } from './facts-nics.js';
import { servesNoUnheld } from './service-cards.js';
import { readSystem } from './facts-system.js';
import type { SystemFacts } from './facts-system.js';

/** Everything about a host that setting it up and checking it need; read once, so that both are pure after. */
export interface HostFacts {
  readonly system: SystemFacts;
  readonly pools: Pools;
  readonly mounts: MountFacts;
  /** undefined where it cannot be told. */
  readonly boot: NextBoot | undefined;
  /** Of an image, which does not run. */
  readonly image: ImageFacts | undefined;
  readonly modules: ReadonlyMap<ModuleName, ModuleState>;
  readonly iommu: IommuFacts;
  readonly nics: readonly NicFacts[];
  /** There is a service, and it may not use cards that no IOMMU holds back. */
  readonly heldCardsOnly: boolean;
  readonly leftovers: LeftoverFacts;
  readonly bridges: readonly BridgeFacts[];
  /** Of the installed librte_vhost (`22.11.7`); undefined where no file tells. */
  readonly dpdk: string | undefined;
  readonly appArmor: boolean;
  readonly selinux: SelinuxMode;
  /** Paths that the user may not read, whoever has tried by this look. */
  readonly denied: readonly string[];
}

/** Looks, and changes nothing; runs no command. */
export async function readHostFacts(look: Look): Promise<HostFacts> {
  const system = await readSystem(look);
  const pools = await readPools(look);
  const mounts = await readHugetlbMounts(look, pools.defaultPageSize);
  return {
    system,
    pools,
    mounts,
    boot: await readNextBoot(look, system.kernel),
    image: system.kernel === undefined ? await readImage(look, pools) : undefined,
    modules: await readModules(look, system.kernel),
    iommu: await readIommu(look),
    nics: await readNics(look),
    heldCardsOnly: await servesNoUnheld(look),
    leftovers: await readLeftovers(look, mounts.mounted),
    bridges: await readBridges(look),
    dpdk: await readDpdkVersion(look),
    appArmor: await apparmorIsOn(look),
    selinux: await selinuxMode(look),
    denied: [...look.denied].sort(),
  };
}
