/**
 * IoT Hub's query language, as far as fleet queries use it, over twins in memory: projections, COUNT, SUM, GROUP BY,
 * and conditions of AND, OR, NOT, comparisons, IN and is_defined.
 * @see https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language
 */

/** A device twin, or a module twin where it has a `moduleId`. */
export type Twin = Readonly<Record<string, unknown>>;

export interface TwinCollections {
  readonly devices: readonly Twin[];
  readonly modules: readonly Twin[];
}

type Row = Record<string, unknown>;
type Expression = (twin: Twin) => unknown;
interface Column {
  readonly name: string;
  readonly aggregate?: 'COUNT' | 'SUM';
  readonly read: Expression;
}

/** A query is at most this long. */
const MAX_LENGTH = 8192;

/** The rows of a query. @throws where the language, as known here, does not take it. */
export function runHubQuery(text: string, twins: TwinCollections): Row[] {
  if (text.length > MAX_LENGTH) throw new Error(`the query has ${text.length} characters`);
  const reader = createReader(text);
  reader.take('SELECT');
  const columns = reader.tryTake('*') ? undefined : readColumns(reader);
  reader.take('FROM');
  const source = reader.takeWord();
  const collection =
    source === 'devices' ? twins.devices : source === 'devices.modules' ? twins.modules : undefined;
  if (collection === undefined) throw new Error(`there is no collection ${source}`);
  const condition = reader.tryTake('WHERE') ? readOr(reader) : () => true;
  const group = reader.tryTake('GROUP') ? readGroup(reader) : undefined;
  reader.end();
  const found = collection.filter((twin) => condition(twin) === true);
  if (columns === undefined) return found.map((twin) => ({ ...twin }));
  if (group === undefined && columns.every(({ aggregate }) => aggregate === undefined)) {
    return found.map((twin) => toRow(columns, [twin]));
  }
  const groups = Map.groupBy(found, (twin) => JSON.stringify(group?.(twin)));
  return [...groups.values()].map((members) => toRow(columns, members));
}

/** Whether a twin fulfils a condition: the part behind WHERE, as jobs and target conditions have it. */
export function matchesCondition(condition: string, twin: Twin): boolean {
  if (condition.length > MAX_LENGTH) throw new Error(`the condition has ${condition.length} characters`);
  const reader = createReader(condition);
  const expression = readOr(reader);
  reader.end();
  return expression(twin) === true;
}

function toRow(columns: readonly Column[], members: readonly Twin[]): Row {
  const values = columns.map(({ name, aggregate, read }) => {
    if (aggregate === 'COUNT') return [name, members.length];
    if (aggregate === 'SUM') return [name, members.reduce((sum, twin) => sum + Number(read(twin) ?? 0), 0)];
    return [name, members[0] === undefined ? undefined : read(members[0])];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Row;
}

interface Reader {
  take(token: string): void;
  tryTake(token: string): boolean;
  /** A path, a name or a literal. */
  takeWord(): string;
  end(): void;
}

/** A minus is an operator, which is not known here; in a text only these escapes are. */
const TOKEN =
  /\s*(?:('(?:[^'\\]|\\(?:['"\\]|u[\dA-Fa-f]{4}))*')|(<=|>=|!=|<>|[=<>(),[\]*])|(-?\d+(?:\.\d+)?(?![\w$.])|(?:\[\[[^\]]+\]\]|[\w$.])+))/y;

function createReader(text: string): Reader {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim() !== '') {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`cannot be read: ${text.slice(from, from + 40)}`);
    tokens.push(match[0].trim());
  }
  const reader: Reader = {
    take(token) {
      if (!reader.tryTake(token)) throw new Error(`${token} expected before ${tokens[0] ?? 'the end'}`);
    },
    tryTake(token) {
      if (tokens[0]?.toUpperCase() !== token) return false;
      tokens.shift();
      return true;
    },
    takeWord() {
      const token = tokens.shift();
      if (token === undefined || !/^['\w$[-]/.test(token)) throw new Error(`unexpected ${token ?? 'end'}`);
      return token;
    },
    end() {
      if (tokens.length > 0) throw new Error(`unexpected ${tokens.join(' ')}`);
    },
  };
  return reader;
}

function readColumns(reader: Reader): Column[] {
  const columns: Column[] = [];
  do {
    const word = reader.takeWord();
    const aggregate =
      word.toUpperCase() === 'COUNT' ? 'COUNT' : word.toUpperCase() === 'SUM' ? 'SUM' : undefined;
    let path = word;
    if (aggregate !== undefined) {
      reader.take('(');
      path = aggregate === 'SUM' ? reader.takeWord() : '';
      reader.take(')');
    }
    const name = reader.tryTake('AS') ? reader.takeWord() : (toKeys(word).at(-1) ?? word);
    columns.push({ name, read: toOperand(path), ...(aggregate === undefined ? {} : { aggregate }) });
  } while (reader.tryTake(','));
  return columns;
}

function readGroup(reader: Reader): Expression {
  reader.take('BY');
  const paths = [toOperand(reader.takeWord())];
  while (reader.tryTake(',')) paths.push(toOperand(reader.takeWord()));
  return (twin) => paths.map((read) => read(twin));
}

function readOr(reader: Reader): Expression {
  const terms = [readAnd(reader)];
  while (reader.tryTake('OR')) terms.push(readAnd(reader));
  return (twin) => terms.some((term) => term(twin) === true);
}

function readAnd(reader: Reader): Expression {
  const terms = [readNot(reader)];
  while (reader.tryTake('AND')) terms.push(readNot(reader));
  return (twin) => terms.every((term) => term(twin) === true);
}

function readNot(reader: Reader): Expression {
  if (!reader.tryTake('NOT')) return readComparison(reader);
  const term = readNot(reader);
  return (twin) => term(twin) !== true;
}

function readComparison(reader: Reader): Expression {
  if (reader.tryTake('(')) {
    const inner = readOr(reader);
    reader.take(')');
    return inner;
  }
  const word = reader.takeWord();
  if (word.toLowerCase() === 'is_defined') {
    reader.take('(');
    const read = toOperand(reader.takeWord());
    reader.take(')');
    return (twin) => read(twin) !== undefined;
  }
  const left = toOperand(word);
  if (reader.tryTake('IN')) {
    reader.take('[');
    const values = [toOperand(reader.takeWord())];
    while (reader.tryTake(',')) values.push(toOperand(reader.takeWord()));
    reader.take(']');
    return (twin) => values.some((read) => read(twin) === left(twin));
  }
  const operator = ['=', '!=', '<>', '<=', '>=', '<', '>'].find((token) => reader.tryTake(token));
  if (operator === undefined) throw new Error(`a comparison expected behind ${word}`);
  const right = toOperand(reader.takeWord());
  return (twin) => compare(operator, left(twin), right(twin));
}

/** What is not there compares as neither, as in SQL. */
function compare(operator: string, a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return false;
  if (typeof a === 'object' || typeof b === 'object') throw new Error('objects cannot be compared');
  if (operator === '=') return a === b;
  if (operator === '!=' || operator === '<>') return a !== b;
  const [x, y] = [a as number, b as number];
  return operator === '<' ? x < y : operator === '>' ? x > y : operator === '<=' ? x <= y : x >= y;
}

function toOperand(word: string): Expression {
  if (word.startsWith("'")) return () => unescape(word.slice(1, -1));
  if (/^-?\d+(\.\d+)?$/.test(word)) return () => Number(word);
  if (word === 'true' || word === 'false') return () => word === 'true';
  const keys = toKeys(word);
  return (twin) =>
    keys.reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      twin,
    );
}

const unescape = (text: string): string =>
  text.replaceAll(/\\(?:u(.{4})|(.))/g, (_, code: string | undefined, character: string) =>
    code === undefined ? character : String.fromCharCode(Number.parseInt(code, 16)),
  );

/** The keys of a path; one in double brackets may hold anything. */
const toKeys = (path: string): string[] =>
  Array.from(path.matchAll(/\[\[([^\]]+)\]\]|([\w$]+)/g), ([, escaped, plain]) => escaped ?? plain ?? '');
