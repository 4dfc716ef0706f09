import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';

/**
 * Starts a bundled program with the code that V8 compiled for it at build time (`.ci/lib/bundle.mjs`), which
 * halves the time until it is done. Code of another V8, or for another processor, is refused by V8 and compiled
 * anew: then it is only slower.
 */

export interface Program {
  readonly script: Script;
  /** Gives it what a module has; `require` is that of a module beside it. */
  run(require: NodeJS.Require): void;
}

function readOptional(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** `path` without extension: the text is in `.js`, the compiled code in `.code`. */
export function load(path: string): Program {
  const filename = `${path}.js`;
  // A function of the variables that a CommonJS module sees.
  const source = `(function(require,__filename){${readFileSync(filename, 'utf8')}\n})`;
  const cachedData = readOptional(`${path}.code`);
  const script = new Script(source, { filename, ...(cachedData === undefined ? {} : { cachedData }) });
  return {
    script,
    run(require) {
      const body = script.runInThisContext() as (require: NodeJS.Require, filename: string) => void;
      body(require, filename);
    },
  };
}
