import type { Draft, Owner } from '../attach/change-list.js';
import type { Domain } from './domain.js';
import { nicTitle } from './nic.js';
import type { Nic } from './nic.js';
import type { Finding } from '../checks/check.js';

/**
 * Guests between whose memory and the switch something stands: encryption (SEV, TDX), or an IOMMU of their own. Of a
 * confidential guest the host reads what the guest shares and nothing else. A virtio driver that was told so
 * (VIRTIO_F_ACCESS_PLATFORM, `<driver iommu='on'/>`) shares its rings, and copies each frame to and from a buffer that is
 * shared (swiotlb). QEMU tells every driver of a confidential guest so where the domain does not say otherwise.
 */

/** What the switch would be given encrypted; undefined where the guest shares it, or nothing is encrypted. */
export function closedTo(domain: Domain, nic: Nic): Pick<Finding, 'element' | 'reason' | 'fix'> | undefined {
  if (domain.confidential === undefined) return undefined;
  const what = `${domain.name} is a confidential guest (${domain.confidential}), and ${nicTitle(nic)}`;
  if (nic.iommu === 'off') {
    const reason = `${what} has iommu='off': its rings and frames lie in encrypted memory, and no frame ever arrives`;
    const fix = `virsh edit ${domain.name}: <driver iommu='on'/> in the interface`;
    return { element: '<interface><driver iommu=>', reason, fix };
  }
  if (nic.model !== 'virtio-transitional') return undefined;
  const reason = `${what} is a transitional card, which QEMU starts no confidential guest with`;
  const fix = `virsh edit ${domain.name}: <model type='virtio'/>`;
  return { element: '<interface><model type=>', reason, fix };
}

/** What a guest's own IOMMU lacks to tell the switch of every address that the guest takes back. */
export function unsaid(domain: Domain, nic: Nic): Pick<Finding, 'element' | 'reason' | 'fix'> | undefined {
  if (domain.iommu?.model !== 'intel' || nic.iommu !== 'on') return undefined;
  if (domain.iommu.iotlb && nic.ats === 'on') return undefined;
  const reason =
    `${nicTitle(nic)} stands behind the guest's IOMMU without ATS: QEMU before 8.0 does not say which addresses ` +
    'the guest takes back together, and frames come from where they are no more';
  const fix = `virsh edit ${domain.name}: <driver iotlb='on'/> in <iommu>, <driver iommu='on' ats='on'/> in the interface`;
  return { element: '<interface><driver ats=>', reason, fix };
}

/** Attaching: makes a confidential guest share what the switch needs, and says what that means. */
export function planConfidential(draft: Draft, owner: Owner, domain: Domain, nic: Nic): void {
  if (domain.confidential === undefined) return;
  if (nic.iommu === 'off')
    draft.set(owner, 'iommu', 'on', 'the guest shares its rings: all else of its memory is encrypted');
  draft.note(
    `${domain.name} is a confidential guest (${domain.confidential}): the switch reaches only what the guest shares. ` +
      "Its kernel's driver copies each frame once more for that; DPDK in the guest and zero copy do not work",
    'warning',
  );
  const closed = nic.model === 'virtio-transitional' ? closedTo(domain, { ...nic, iommu: 'on' }) : undefined;
  if (closed !== undefined) draft.note(`${closed.reason}: ${closed.fix}`, 'warning');
}
