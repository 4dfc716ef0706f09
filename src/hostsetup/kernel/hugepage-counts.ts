/** Values of `hugepages=`: a number of pages, or numbers by NUMA node (`0:2,1:2`, Linux 5.16 and later). */

interface Count {
  readonly total: number;
  /** undefined where the kernel spreads them. */
  readonly nodes: ReadonlyMap<number, number> | undefined;
}

/** What the kernel does not understand counts for nothing. */
function parse(text: string): Count {
  const pairs = [...text.matchAll(/(?:^|,)(\d+):(\d+)/g)].map(
    ([, node, pages]) => [Number(node), Number(pages)] as const,
  );
  if (pairs.length === 0) return { total: Number(/^\d+/.exec(text)?.[0] ?? 0), nodes: undefined };
  const nodes = new Map<number, number>();
  for (const [node, pages] of pairs) nodes.set(node, (nodes.get(node) ?? 0) + pages);
  return { total: [...nodes.values()].reduce((sum, pages) => sum + pages, 0), nodes };
}

const print = (nodes: ReadonlyMap<number, number>): string => {
  const sorted = [...nodes].sort(([a], [b]) => a - b);
  return sorted.map(([node, pages]) => `${node}:${pages}`).join(',');
};

export const pagesIn = (text: string): number => parse(text).total;

/** By node; undefined where it is one number for the host as a whole. */
export const pagesByNode = (text: string): ReadonlyMap<number, number> | undefined => parse(text).nodes;

/** Equal where two mean the same. */
export function countKey(text: string): string {
  const { total, nodes } = parse(text);
  return nodes === undefined ? `${total}` : print(nodes);
}

/** `more` pages given to the nodes that are there, evenly. */
function grow(nodes: ReadonlyMap<number, number>, more: number): ReadonlyMap<number, number> {
  const least = Math.floor(more / nodes.size);
  const entries = [...nodes].sort(([a], [b]) => a - b);
  return new Map(entries.map(([node, pages], i) => [node, pages + least + (i < more % nodes.size ? 1 : 0)]));
}

/** The count that gives all that is wanted and takes nothing away, neither from the host nor from a node that is named. */
export function atLeast(there: string | undefined, wanted: string): string {
  if (there === undefined) return wanted;
  const [has, asks] = [parse(there), parse(wanted)];
  const missing = asks.total - has.total;
  if (asks.nodes === undefined) {
    if (missing <= 0) return there;
    return has.nodes === undefined ? wanted : print(grow(has.nodes, missing));
  }
  if (has.nodes === undefined) return missing >= 0 ? wanted : print(grow(asks.nodes, -missing));
  const nodes = new Map(has.nodes);
  for (const [node, pages] of asks.nodes) nodes.set(node, Math.max(pages, nodes.get(node) ?? 0));
  return print(nodes);
}
