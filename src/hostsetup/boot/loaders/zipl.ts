import { firstFile } from './loader.js';
import type { FindLoader } from './loader.js';
import type { HandPlace } from '../method.js';

/** zipl without entries of the Boot Loader Specification: sections and menus of zipl.conf (zipl.conf(5) of s390-tools). */

const PATH = '/etc/zipl.conf';

interface Section {
  /** With a colon before it for a menu. */
  readonly name: string;
  /** Numbers of its first and last line. */
  readonly lines: readonly [number, number];
  readonly values: ReadonlyMap<string, string>;
}

function sectionsOf(text: string): Section[] {
  const all = text.split('\n');
  const heads = all.flatMap((line, i) => {
    const [, section, menu] = /^\s*(?:\[\s*([^\]]+?)\s*\]|(:\s*\S+))/.exec(line) ?? [];
    const name = section ?? menu?.replace(/\s/g, '');
    return name === undefined ? [] : [{ name, i }];
  });
  return heads.map(({ name, i }, n) => {
    const end = heads[n + 1]?.i ?? all.length;
    const values = all.slice(i + 1, end).flatMap((line): [string, string][] => {
      const [, key, value = ''] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, value.replace(/^(["'])(.*)\1$/, '$2')]];
    });
    return { name, lines: [i + 1, end], values: new Map(values) };
  });
}

/** The section that is started; undefined where the file does not tell. */
function started(sections: readonly Section[]): Section | undefined {
  const named = (name: string | undefined): Section | undefined => sections.find((one) => one.name === name);
  const fromMenu = (menu: Section | undefined): Section | undefined =>
    named(menu?.values.get(menu.values.get('default') ?? '1'));
  const first = named('defaultboot')?.values;
  if (first?.has('default') === true) return named(first.get('default'));
  const menu = first?.get('defaultmenu');
  return fromMenu(menu === undefined ? sections.find(({ name }) => name.startsWith(':')) : named(`:${menu}`));
}

const LINE = /^(\s*parameters\s*=\s*["']?)([^"']*?)(["']?\s*)$/;

function placeOf(section: Section, target: string): HandPlace {
  const rest = { then: 'zipl', made: `${target.replace(/\/$/, '')}/bootmap` };
  const file = section.values.get('parmfile');
  if (file !== undefined && !section.values.has('parameters'))
    return { path: file, line: /^()(\S.*?)(\s*)$/, firstOnly: true, added: (args) => args, ...rest };
  const added = (args: string): string => `parameters="${args}"`;
  return { path: PATH, line: LINE, between: section.lines, added, ...rest };
}

export const zipl: FindLoader = async (host) => {
  if ((await firstFile(host, [PATH])) === undefined) return undefined;
  const sections = sectionsOf((await host.readOptional(PATH)) ?? '');
  const target = (section: Section): string =>
    section.values.get('target') ??
    sections.find(({ name }) => name === 'defaultboot')?.values.get('target') ??
    '/boot';
  const starts = started(sections);
  const all = starts === undefined ? sections.filter(({ values }) => values.has('image')) : [starts];
  const which = starts === undefined ? '' : `, section [${starts.name}]`;
  const places = all.map((section) => placeOf(section, target(section)));
  const files = [...new Set(places.map(({ path }) => path))].filter((path) => path !== PATH);
  const more = files.length === 0 ? '' : `, from ${files.join(', ')}`;
  return { reason: `zipl takes the command line from ${PATH}${which}${more}`, places };
};
