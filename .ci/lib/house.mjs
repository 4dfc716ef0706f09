// The rules of the house, over any tree of files: layers, circles, how many modules a folder may have, and words.
import { replacedWords } from './glossary.mjs';
import { circlesIn, importsOf } from './imports.mjs';
import { brokenLayers } from './layers.mjs';

export const mostModules = 15;
/** Material, of which there is as much as there is. */
const material = /^(test\/golden|native\/fuzz\/seeds)/;
/** Programs of their own below native/, each with its own order. */
const unlayered = /^native\/(test|fuzz|bench)\//;

/** A header, its source and what only its parts share (X.c, X.h, X_priv.h) are one module. */
const moduleOf = (file) => file.replace(/(_priv)?\.[ch]$/, '');

/** What any file of a module includes, the module does. */
function modules(graph) {
  const joined = new Map();
  for (const [file, targets] of graph) {
    const others = targets.map(moduleOf).filter((target) => target !== moduleOf(file));
    joined.set(moduleOf(file), [...new Set([...(joined.get(moduleOf(file)) ?? []), ...others])]);
  }
  return joined;
}

function crowded(files) {
  const folders = new Map();
  for (const file of files.filter((path) => !material.test(path))) {
    const at = file.lastIndexOf('/');
    const folder = file.slice(0, at);
    folders.set(folder, (folders.get(folder) ?? new Set()).add(moduleOf(file.slice(at + 1))));
  }
  return [...folders]
    .filter(([, names]) => names.size > mostModules)
    .map(([folder, names]) => `${folder} has ${names.size} files, at most ${mostModules}: make rooms in it`);
}

/**
 * What breaks the rules. files: paths below `root`, of src/, test/ and native/. Return: lines for a person, none
 * where all is well.
 */
export function brokenRules(files, root) {
  const source = files.filter((file) => file.startsWith('src/') && file.endsWith('.ts'));
  const native = files.filter((file) => /^native\/.*\.[ch]$/.test(file));
  const layered = [
    importsOf(source, root),
    importsOf(
      native.filter((file) => !unlayered.test(file)),
      root,
    ),
  ];
  const circles = [layered[0], modules(importsOf(native, root))].flatMap(circlesIn);
  return [
    ...layered.flatMap(brokenLayers),
    ...circles.map((circle) => `a circle of imports: ${circle.join(', ')}`),
    ...crowded(files),
    ...replacedWords(files, root),
  ];
}
