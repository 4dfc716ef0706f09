import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';
import { CHECKS_CODE } from '../../common/node-flags.js';

/**
 * Starts a bundled program with the code that V8 compiled for it at build time (`.ci/lib/bundle.mjs`), which
 * halves the time until it is done. Without it, the program is only slower to start.
 *
 * V8 refuses code that it made under other flags or for another processor, but of the program's text it compares no
 * more than the length, and the code itself it takes unseen unless a flag tells it otherwise: damaged code crashes. So
 * the file's name says for which Node and which text it was made, and without that flag there is no code.
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

/** Where the code for this Node is; `text` tells the program's text from others. */
export function codePath(path: string, text: string): string {
  return `${path}-${text}-${process.version}-${process.arch}.code`;
}

/** `path` without extension: the text is in `.js`, the compiled code at `codePath()`. */
export function load(path: string, text: string): Program {
  const filename = `${path}.js`;
  // A function of the variables that a CommonJS module sees.
  const source = `(function(require,__filename){${readFileSync(filename, 'utf8')}\n})`;
  const cachedData = process.execArgv.includes(CHECKS_CODE) ? readOptional(codePath(path, text)) : undefined;
  const script = new Script(source, { filename, ...(cachedData === undefined ? {} : { cachedData }) });
  return {
    script,
    run(require) {
      const body = script.runInThisContext() as (require: NodeJS.Require, filename: string) => void;
      body(require, filename);
    },
  };
}
