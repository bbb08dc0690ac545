/** A value of a template. */
export type JinjaValue = unknown;

type Scope = Readonly<Record<string, JinjaValue>>;

/**
 * Renders the part of Jinja that discovery templates use: paths, indexes, literals, lists, `==`, `!=`,
 * `in`, `is defined`, `not`, ternaries, the filters default, length, to_json, and `{% if %}`.
 * As Home Assistant does, it fails on a part of what is undefined.
 */
export function renderTemplate(template: string, scope: Scope): string {
  const parts = template.split(/(\{\{.*?\}\}|\{%.*?%\})/s);
  const stack: boolean[] = [];
  let text = '';
  for (const part of parts) {
    const shown = stack.every(Boolean);
    if (part.startsWith('{%')) {
      const words = part.slice(2, -2).trim();
      if (words.startsWith('if ')) stack.push(shown && truthy(evaluate(words.slice(3), scope)));
      else if (words === 'else') stack.push(!stack.pop());
      else if (words === 'endif') stack.pop();
      else throw new Error(`unknown statement: ${words}`);
    } else if (shown) {
      text += part.startsWith('{{') ? written(evaluate(part.slice(2, -2), scope)) : part;
    }
  }
  if (stack.length > 0) throw new Error('an if without its end');
  return text.trim();
}

function evaluate(source: string, scope: Scope): JinjaValue {
  const tokens =
    source.match(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\d+(?:\.\d+)?|\w+|==|!=|\S/g) ?? [];
  let at = 0;
  const peek = () => tokens[at];
  const take = (token: string) => {
    if (tokens[at] !== token) return false;
    at += 1;
    return true;
  };
  const need = (token: string) => {
    if (!take(token)) throw new Error(`expected ${token}, found ${peek()} in ${source}`);
  };

  function ternary(): JinjaValue {
    const start = at;
    const skipped = attempt(comparison);
    if (!take('if')) {
      if (skipped.error !== undefined) throw skipped.error;
      return skipped.value;
    }
    const condition = truthy(comparison());
    const otherwise = take('else') ? attempt(ternary) : { value: '' };
    const end = at;
    if (!condition) {
      if (otherwise.error !== undefined) throw otherwise.error;
      return otherwise.value;
    }
    at = start;
    const value = comparison();
    at = end;
    return value;
  }

  /** The branch that is not taken may fail; its tokens are read all the same. */
  function attempt(read: () => JinjaValue): { value?: JinjaValue; error?: unknown } {
    try {
      return { value: read() };
    } catch (error) {
      if (!(error instanceof UndefinedPart)) throw error;
      while (at < tokens.length && !['if', 'else', ')'].includes(tokens[at] ?? '')) at += 1;
      return { error };
    }
  }

  function comparison(): JinjaValue {
    if (take('not')) return !truthy(comparison());
    const left = filtered();
    if (take('==')) return left === filtered();
    if (take('!=')) return left !== filtered();
    if (take('in')) return (filtered() as readonly JinjaValue[]).includes(left);
    if (take('is')) {
      const wanted = !take('not');
      need('defined');
      return (left !== undefined) === wanted;
    }
    return left;
  }

  function filtered(): JinjaValue {
    let value = postfix();
    while (take('|')) {
      const name = tokens[at++] ?? '';
      const given = take('(') ? [ternary()] : [];
      if (given.length > 0) need(')');
      value = filter(name, value, given[0]);
    }
    return value;
  }

  function postfix(): JinjaValue {
    let value = primary();
    for (;;) {
      const dotted = take('.');
      if (!dotted && !take('[')) return value;
      if (value === undefined || value === null) throw new UndefinedPart(source);
      const key = dotted ? (tokens[at++] ?? '') : String(ternary());
      if (!dotted) need(']');
      value = Object.hasOwn(Object(value), key) ? (value as Scope)[key] : undefined;
    }
  }

  function primary(): JinjaValue {
    const token = tokens[at++] ?? '';
    if (/^['"]/.test(token)) return token.slice(1, -1).replace(/\\(.)/g, '$1');
    if (/^\d/.test(token)) return Number(token);
    if (token === '[') {
      const items: JinjaValue[] = [];
      while (!take(']')) {
        items.push(ternary());
        if (peek() !== ']') need(',');
      }
      return items;
    }
    if (token === 'true' || token === 'false') return token === 'true';
    if (/^\w+$/.test(token)) return scope[token];
    throw new Error(`unexpected ${token} in ${source}`);
  }

  const value = ternary();
  if (at < tokens.length) throw new Error(`left over: ${tokens.slice(at).join(' ')} in ${source}`);
  return value;
}

class UndefinedPart extends Error {
  constructor(source: string) {
    super(`a part of what is undefined in ${source}`);
  }
}

function filter(name: string, value: JinjaValue, given: JinjaValue): JinjaValue {
  if (name === 'default') return value === undefined ? given : value;
  if (name === 'length') return (value as readonly JinjaValue[]).length;
  if (name === 'to_json') return JSON.stringify(value);
  throw new Error(`unknown filter: ${name}`);
}

function truthy(value: JinjaValue): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function written(value: JinjaValue): string {
  if (value === undefined) return '';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
