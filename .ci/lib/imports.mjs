// What imports what, in TypeScript (types included) and in C.
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const patterns = {
  '.ts': /^\s*(?:import|export)\b[^'";]*?from\s*'(\.[^']*)'|^\s*import\s*'(\.[^']*)'|\bimport\('(\.[^']*)'\)/gm,
  '.c': /^\s*#\s*include\s*"([^"]+)"/gm,
};
patterns['.h'] = patterns['.c'];

/** Return: for each of the files (paths below `root`), those of them that it imports. */
export function importsOf(files, root) {
  const known = new Set(files);
  const graph = new Map();
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    const targets = [...text.matchAll(patterns[file.slice(file.lastIndexOf('.'))])]
      .map((match) => match.slice(1).find((part) => part !== undefined))
      .map((path) => normalize(join(dirname(file), path)).replace(/\.js$/, '.ts'))
      .filter((path) => known.has(path) && path !== file);
    graph.set(file, [...new Set(targets)]);
  }
  return graph;
}

/** Return: sets of nodes that reach each other (Tarjan's strongly connected components), of two and more. */
export function circlesIn(graph) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const circles = [];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of graph.get(node)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== index.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) circles.push(circle);
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return circles;
}
