import { shortSize, sizeText } from '../../common/bytes.js';
import { SETUP, info, ok, warning } from './check.js';
import type { Check, Outcome, Subject } from './check.js';
import { kernelArgs } from '../kernel/args.js';

/** An image: whether what it is going to do at its start is what guests need. */

const FIX = `${SETUP} --root DIR`;

function pages({ host: { image } }: Subject): Outcome[] {
  if (image === undefined) return [];
  if (image.pages.length > 0)
    return image.pages.map(({ pageSize, pages: count, source }) =>
      ok(`${count} of ${sizeText(pageSize)} by ${source}`),
    );
  const [first] = image.lines;
  const boot =
    first === undefined ? 'no file tells its kernel arguments' : `no kernel arguments for them (${first.source})`;
  return [warning(`nothing reserves any: ${boot}, and no line of tmpfiles.d or sysctl.d`, FIX)];
}

function mounts({
  host: {
    image,
    mounts: { kept },
  },
}: Subject): Outcome[] {
  const sizes = [...new Set((image?.pages ?? []).map(({ pageSize }) => pageSize))];
  return sizes.map((size) => {
    const place = kept.find(({ pageSize }) => pageSize === size);
    if (place === undefined)
      return warning(`nothing mounts a hugetlbfs of ${shortSize(size)}, which libvirt looks for`, FIX);
    return ok(`${shortSize(size)} at ${place.path} by ${place.source}`);
  });
}

/** AMD's is on by itself; whose processor it will be, an image does not tell. */
function iommu({ host: { image } }: Subject): Outcome[] {
  if (image === undefined || image.vfioCards.length === 0) return [];
  const cards = image.vfioCards.join(', ');
  const on = image.lines.find(({ line }) =>
    kernelArgs(line).some(({ name, value = '' }) => name === 'intel_iommu' && value.split(',').includes('on')),
  );
  if (on !== undefined) return [ok(`on for ${cards} by ${on.source}`)];
  const [card = ''] = image.vfioCards;
  const reason = `${cards} for vfio-pci, and no kernel arguments switch the IOMMU on, which Intel's processors need`;
  return image.lines.length === 0
    ? [info(`${reason}; no file tells them`, `${FIX} --nic ${card}`)]
    : [warning(reason, `${FIX} --nic ${card}`)];
}

export const IMAGE_CHECKS: readonly Check[] = [
  {
    id: 'image-hugepages',
    title: 'reserved at the start',
    group: 'hugepages',
    live: false,
    states: ['ok', 'warning'],
    run: pages,
  },
  {
    id: 'image-mounts',
    title: 'mounted at the start',
    group: 'hugepages',
    live: false,
    states: ['ok', 'warning'],
    run: mounts,
  },
  {
    id: 'image-iommu',
    title: 'IOMMU at the start',
    group: 'kernel',
    live: false,
    states: ['ok', 'info', 'warning'],
    run: iommu,
  },
];
