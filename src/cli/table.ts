/** Cells are cut after this many characters: a table that wraps is no table. */
const CELL_CHARACTERS_MAX = 100;

/** Rows as an aligned text table; the columns are those of all rows, in order of appearance. */
export function formatTable(rows: readonly Readonly<Record<string, string>>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (text: string | undefined) =>
    (text ?? '').replace(/\s+/g, ' ').slice(0, CELL_CHARACTERS_MAX);
  const lines = [columns, ...rows.map((row) => columns.map((column) => cell(row[column])))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  const text = lines.map((line) =>
    line
      .map((part, at) => part.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${text.join('\n')}\n`;
}
