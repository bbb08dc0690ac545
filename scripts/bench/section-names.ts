/** The sections asked for by `--only a,b`, or all. Undefined, and told on stderr, where one is not there. */
export function sectionNames(
  only: string | undefined,
  sections: Readonly<Record<string, unknown>>,
  help: string,
): readonly string[] | undefined {
  const names = only?.split(',') ?? Object.keys(sections);
  const unknown = names.filter((name) => !Object.hasOwn(sections, name));
  if (unknown.length === 0) return names;
  process.stderr.write(`There is no section ${unknown.join(', ')}\n${help}`);
  return undefined;
}
