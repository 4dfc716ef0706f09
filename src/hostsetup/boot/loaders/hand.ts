import { commandLineOf } from './image.js';
import type { BootHost, HandPlace } from '../method.js';
import { applySpec, fulfils, ownArgs, specText } from '../../kernel/spec.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';

interface Found {
  readonly number: number;
  readonly before: string;
  readonly args: string;
  readonly after: string;
}

/** Lines for emergencies stay as they are. */
const RESCUE = /(^|\s)(single|1|S|rescue|emergency|systemd\.unit=(rescue|emergency)\.target|init=\S*sh)(\s|$)/;

function linesIn(text: string, { line, firstOnly, between: [from, to] = [1, Infinity] }: HandPlace): Found[] {
  if (line === undefined) return [];
  const all = text.split('\n').flatMap((whole, i) => {
    const [, before, args = '', after = ''] = line.exec(whole) ?? [];
    return before === undefined || i + 1 < from || i + 1 > to ? [] : [{ number: i + 1, before, args, after }];
  });
  if (firstOnly === true) return all.slice(0, 1);
  const usual = all.filter(({ args }) => !RESCUE.test(args));
  return usual.length === 0 ? all : usual;
}

export interface HandWork {
  /** The command line as the next boot will have it; undefined where no file says. */
  readonly current: string | undefined;
  /** Every line that counts has what is requested. */
  readonly done: boolean;
  readonly snippet: string;
}

/** The file's text, or the command line that is in it. */
async function textOf(host: BootHost, { path, image }: HandPlace): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return image === true ? commandLineOf(host, path) : host.readOptional(path);
}

/** A file that is not there says nothing. */
async function isMade(host: BootHost, { made }: HandPlace, words: readonly string[]): Promise<boolean> {
  const text = made === undefined ? undefined : (await host.readBytes(made))?.toString('latin1');
  if (text === undefined) return true;
  let at = 0;
  for (const word of words) {
    const found = new RegExp(`(?<![^\\s"'\\0])${word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?![^\\s"'\\0])`, 'g');
    found.lastIndex = at;
    if (found.exec(text) === null) return false;
    at = found.lastIndex;
  }
  return true;
}

async function workAt(host: BootHost, place: HandPlace, spec: KernelArgsSpec): Promise<HandWork> {
  const text = await textOf(host, place);
  const found = linesIn(text ?? '', place);
  const then = place.then === undefined ? [] : [`then: ${place.then}`];
  const missing = found.filter(({ args }) => !fulfils(args, spec));
  const current = found[0]?.args;
  if (current !== undefined && missing.length === 0) {
    const done = await isMade(host, place, ownArgs(current, spec));
    return { current, done, snippet: done ? '' : then.join('\n') };
  }
  if (place.byCommand === true || found.length === 0) {
    const own = ownArgs(current ?? '', spec).join(' ');
    const added = place.added(specText(current ?? '', spec), own, applySpec(current ?? '', spec));
    const where = place.path === undefined || place.byCommand === true ? [] : [`${place.path}, a line to add:`];
    return { current, done: false, snippet: [...where, added, ...then].join('\n') };
  }
  const lines = missing.flatMap(({ number, before, args, after }) => [
    `${place.path}, line ${number}, as it has to read:`,
    `${before}${applySpec(args, spec)}${after}`,
  ]);
  return { current, done: false, snippet: [...lines, ...then].join('\n') };
}

/** All that has to be done; `current` is that of the first place that tells. */
export async function handWork(host: BootHost, places: readonly HandPlace[], spec: KernelArgsSpec): Promise<HandWork> {
  const all: HandWork[] = [];
  for (const place of places) all.push(await workAt(host, place, spec));
  const todo = all.filter(({ done }) => !done);
  return {
    current: all.find(({ current }) => current !== undefined)?.current,
    done: todo.length === 0,
    snippet: todo.map(({ snippet }) => snippet).join('\n'),
  };
}

/** The command lines that these places have now. */
export async function handLines(host: BootHost, places: readonly HandPlace[]): Promise<string[]> {
  const lines: string[] = [];
  for (const place of places) {
    lines.push(...linesIn((await textOf(host, place)) ?? '', place).map(({ args }) => args));
  }
  return lines;
}
