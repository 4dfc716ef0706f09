import { SETUP, error, info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';
import { USER_SPACE_DRIVERS } from '../../host/kernel/pci-drivers.js';
import type { NicFacts } from '../nic/read.js';

/** Network cards: which may be taken, and what they can do. */

const isOurs = ({ driver }: NicFacts): boolean => driver !== undefined && USER_SPACE_DRIVERS.has(driver);

function title({ address, interfaces, driver }: NicFacts): string {
  const names = [...interfaces, driver ?? 'no driver'].join(', ');
  return `${address} (${names})`;
}

function cards({ host }: Subject): Outcome[] {
  if (host.nics.length === 0) return [info('no PCI network card: guests talk to each other all the same')];
  return host.nics.map((nic) => {
    if (nic.uses.length > 0) return info(`${title(nic)} is the host's own: ${nic.uses.join(', ')}`);
    if (isOurs(nic)) return ok(`${title(nic)} is ready for the switch`);
    return ok(`${title(nic)} is free`);
  });
}

const VMDQ: Readonly<Record<NicFacts['vmdq'], (nic: NicFacts) => Outcome>> = {
  yes: (nic) => ok(`${nic.address} has VMDQ pools`),
  no: (nic) => info(`${nic.address} has none: the switch sorts its frames in software`),
  unknown: (nic) => info(`${nic.address} (${nic.id}): not known while ${nic.driver ?? 'no driver'} has it`),
};

/** Without an IOMMU a card bound to vfio-pci cannot be opened but in its unsafe mode. */
function vfio({ host }: Subject): Outcome[] {
  return host.nics
    .filter(({ driver }) => driver === 'vfio-pci')
    .map((nic) =>
      host.iommu.groups > 0
        ? ok(`${nic.address} is in an IOMMU group`)
        : error(`${nic.address} is bound to vfio-pci, and there is no IOMMU`, `${SETUP} --nic ${nic.address}`),
    );
}

/** The service may do no more than most switches need (service/cards.ts). */
function service({ host }: Subject): Outcome[] {
  const unheld = host.nics.filter((nic) => isOurs(nic) && (nic.driver !== 'vfio-pci' || host.iommu.groups === 0));
  return unheld.map(({ address, driver }) => {
    const option = driver === 'vfio-pci' ? '' : ' --nic-driver uio_pci_generic';
    return host.heldCardsOnly
      ? warning(
          `${address} has no IOMMU before it, and the service may not use such a card`,
          `${SETUP} --nic ${address}${option} --boot`,
        )
      : ok(`${address} has no IOMMU before it, which nothing here forbids`);
  });
}

const group = 'network cards';

export const NIC_CHECKS: readonly Check[] = [
  { id: 'nics', title: 'cards', group, live: true, states: ['ok', 'info'], run: cards },
  {
    id: 'nics-vmdq',
    title: 'VMDQ',
    group,
    live: true,
    states: ['ok', 'info'],
    run: ({ host }) => host.nics.map((nic) => VMDQ[nic.vmdq](nic)),
  },
  { id: 'nics-vfio', title: 'vfio-pci', group, live: true, states: ['ok', 'error'], run: vfio },
  { id: 'nics-service', title: 'the service', group, live: true, states: ['ok', 'warning'], run: service },
];
