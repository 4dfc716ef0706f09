import { apparmorIsOn, selinuxMode } from '../../host/kernel/lsm.js';
import type { SelinuxMode } from '../../host/kernel/lsm.js';
import { readPools } from '../../host/kernel/hugepages.js';
import type { Pools } from '../../host/kernel/hugepages.js';
import { readNextBoot } from '../boot/next-boot.js';
import type { NextBoot } from '../boot/next-boot.js';
import { readDpdkVersion } from './dpdk.js';
import { readBridges } from './bridges.js';
import type { BridgeFacts } from './bridges.js';
import { readLeftovers } from './leftovers.js';
import type { LeftoverFacts } from './leftovers.js';
import { readImage } from './image.js';
import type { ImageFacts } from './image.js';
import type { Look } from '../../host/tolerant-reader.js';
import { readIommu, readModules } from '../modules/read.js';
import type { IommuFacts, ModuleName, ModuleState } from '../modules/read.js';
import { readHugetlbMounts } from '../mounts/read.js';
import type { MountFacts } from '../mounts/read.js';
import { readNics } from '../nic/read.js';
import type { NicFacts } from '../nic/read.js';
import { servesNoUnheld } from '../service/cards.js';
import { readSystem } from '../kernel/system-facts.js';
import type { SystemFacts } from '../kernel/system-facts.js';

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
